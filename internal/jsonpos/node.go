// Package jsonpos reads JSON into nodes that remember where in which file they
// stood, for everything written by hand: configuration, rules, test data.
package jsonpos

// Kind is the JSON type of a [Node].
type Kind uint8

// The JSON types.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"null", "boolean", "number", "string", "list", "dict"}

// String returns the kind's name as people read it in messages.
func (k Kind) String() string { return kindNames[k] }

// Pos is a place in a file: 1-based line, and 1-based column counted in
// characters. The zero Pos is unknown.
type Pos struct{ Line, Col int }

// Span is a piece of a file: from Start up to, not including, End.
type Span struct {
	File       string
	Start, End Pos
}

// Node is one JSON value with its place. Nodes do not change once parsed;
// expansion of variables makes new ones that keep the old place.
type Node struct {
	Kind    Kind
	Span    Span
	Bool    bool      // of a Bool
	Text    string    // of a String; of a Number its literal
	Elems   []*Node   // of an Array
	Members []*Member // of an Object, in written order
}

// Member is one key of an object with its value.
type Member struct {
	Key     string
	KeySpan Span
	Value   *Node
}

// Get returns the value of key in an Object, or nil. Safe on a nil Node.
func (n *Node) Get(key string) *Node {
	if m := n.Member(key); m != nil {
		return m.Value
	}
	return nil
}

// Member returns the member named key of an Object, or nil.
func (n *Node) Member(key string) *Member {
	if n == nil || n.Kind != Object {
		return nil
	}
	for _, m := range n.Members {
		if m.Key == key {
			return m
		}
	}
	return nil
}

// Str returns the text of a String; false for every other kind and for nil.
func (n *Node) Str() (string, bool) {
	if n == nil || n.Kind != String {
		return "", false
	}
	return n.Text, true
}

// IsTrue tells whether the node is a literal true.
func (n *Node) IsTrue() bool { return n != nil && n.Kind == Bool && n.Bool }
