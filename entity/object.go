package entity

import "unsafe"

// Member is one key of a dictionary with its value.
type Member struct {
	Key   string
	Value Value
}

// Object is a dictionary: members in written order, each key once. It may be
// changed by whoever made it until [Object.Value] is handed to somebody else;
// from then on it must not change.
//
// The zero Object is an empty dictionary ready to use on the heap.
type Object struct {
	members []Member
	index   map[string]int32 // made when members grow past indexFrom
	raw     string           // JSON the dict was read from, without white space, or ""
	tagged  bool             // raw has transit values
	weight  uint32           // when it was handed over without raw
	arena   *Arena
}

// indexFrom is the number of members from which a map beats a scan; it bounds
// the cost of building very wide dictionaries.
const indexFrom = 32

// NewObject returns an empty dictionary with room for size members. A nil
// arena makes it on the heap.
func (a *Arena) NewObject(size int) *Object {
	if a == nil {
		return &Object{members: make([]Member, 0, size)}
	}
	o := a.objects.next()
	*o = Object{members: a.members.take(size)[:0], arena: a}
	return o
}

// NewDict returns a Dict of the given members; of a repeated key the last
// value stands at the first one's place.
func NewDict(members ...Member) Value {
	o := &Object{members: make([]Member, 0, len(members))}
	for _, m := range members {
		o.Set(m.Key, m.Value)
	}
	return o.Value()
}

// Value returns the dictionary as a Dict that shares o.
func (o *Object) Value() Value {
	if o.raw == "" {
		o.weigh()
	}
	return Value{tag: tag{kind: Dict}, p: unsafe.Pointer(o)}
}

// Len returns the number of members.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.members)
}

// Members returns the members in order. The caller must not change them.
func (o *Object) Members() []Member {
	if o == nil {
		return nil
	}
	return o.members
}

// Size returns how many bytes of JSON a Dict was read from; a guess if it was
// made or has changed since, and 0 for every other kind.
func (v Value) Size() int {
	o := v.Object()
	if o == nil {
		return 0
	}
	return max(len(o.raw), 32*len(o.members))
}

// Get returns the value of key, and whether the dictionary has it.
func (o *Object) Get(key string) (Value, bool) {
	if i := o.find(key); i >= 0 {
		return o.members[i].Value, true
	}
	return Value{}, false
}

// repeats tells whether a key stands twice, in a dict just read.
func (o *Object) repeats() bool {
	if o.index != nil {
		return len(o.index) < len(o.members)
	}
	for i := range o.members {
		if o.find(o.members[i].Key) != i {
			return true
		}
	}
	return false
}

// GetHint is Get for a caller that meets dictionaries of the same shape again
// and again: it looks first where *hint says, and leaves there where the key
// was found.
func (o *Object) GetHint(key string, hint *int) (Value, bool) {
	if o == nil {
		return Value{}, false
	}
	if h := *hint; uint(h) < uint(len(o.members)) && o.members[h].Key == key {
		return o.members[h].Value, true
	}
	if i := o.find(key); i >= 0 {
		*hint = i
		return o.members[i].Value, true
	}
	return Value{}, false
}

// At is GetHint where it costs nothing: the i-th member, if its key is the very
// copy that [Key] gives out.
func (o *Object) At(i int, key string) (Value, bool) {
	if uint(i) < uint(len(o.members)) {
		if m := &o.members[i]; len(m.Key) == len(key) && unsafe.StringData(m.Key) == unsafe.StringData(key) {
			return m.Value, true
		}
	}
	return Value{}, false
}

// Set gives key the value v: in its place if the key is there, else at the end.
func (o *Object) Set(key string, v Value) {
	o.raw = ""
	if i := o.find(key); i >= 0 {
		o.members[i].Value = v
		return
	}
	o.push(Member{key, v})
}

// Add gives a new key a value: Set for a caller that knows that the dictionary
// does not have the key.
func (o *Object) Add(key string, v Value) {
	o.raw = ""
	o.push(Member{key, v})
}

// Append is Add for a dictionary that was made with room for the key and has no
// more than Narrow in all.
func (o *Object) Append(key string, v Value) { o.members = append(o.members, Member{key, v}) }

// Narrow is how many keys a dictionary may have for Append.
const Narrow = indexFrom

// push adds a member whose key is known to be new.
func (o *Object) push(m Member) {
	if len(o.members) == cap(o.members) {
		o.grow()
	}
	o.members = append(o.members, m)
	if o.index != nil {
		o.index[m.Key] = int32(len(o.members) - 1)
	} else if len(o.members) > indexFrom {
		o.buildIndex()
	}
}

// Delete removes key and tells whether it was there; the order of the others
// stays.
func (o *Object) Delete(key string) bool {
	i := o.find(key)
	if i < 0 {
		return false
	}
	o.raw = ""
	o.members = append(o.members[:i], o.members[i+1:]...)
	if o.index != nil {
		o.buildIndex()
	}
	return true
}

// find returns the place of key, or -1.
func (o *Object) find(key string) int {
	if o == nil {
		return -1
	}
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return int(i)
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].Key == key {
			return i
		}
	}
	return -1
}

func (o *Object) buildIndex() {
	if len(o.members) <= indexFrom {
		o.index = nil
		return
	}
	o.index = make(map[string]int32, 2*len(o.members))
	for i := range o.members {
		o.index[o.members[i].Key] = int32(i)
	}
}

func (o *Object) grow() {
	size := max(8, 2*cap(o.members))
	var wider []Member
	if o.arena != nil {
		wider = o.arena.members.take(size)[:len(o.members)]
	} else {
		wider = make([]Member, len(o.members), size)
	}
	copy(wider, o.members)
	o.members = wider
}

// AddFrom gives o every member of src. It is cheaper than Set for each: only
// the members o had before can stand in the way.
func (o *Object) AddFrom(src *Object) { o.AddSome(src, nil) }

// AddSome is AddFrom for the members whose place in src keep says yes to; a
// nil keep means all.
func (o *Object) AddSome(src *Object, keep func(i int, key string) bool) {
	o.raw = ""
	before := len(o.members)
	for i, m := range src.Members() {
		switch {
		case keep != nil && !keep(i, m.Key):
		case before > 0 && o.setBefore(before, m):
		default:
			o.push(m)
		}
	}
}

// setBefore replaces m's key among the first n members, if it is there.
func (o *Object) setBefore(n int, m Member) bool {
	if o.index != nil {
		i, ok := o.index[m.Key]
		if ok {
			o.members[i].Value = m.Value
		}
		return ok
	}
	for i := range n {
		if o.members[i].Key == m.Key {
			o.members[i].Value = m.Value
			return true
		}
	}
	return false
}
