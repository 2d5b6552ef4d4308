package entity

// Kind says what a [Value] is. The set is closed; a switch over kinds is total.
type Kind uint8

// The kinds, in the total order of values of different kinds: numbers (Int,
// Float, Decimal) share one rank and compare by amount, Date and Datetime
// share one and compare by time.
const (
	Null     Kind = iota
	Bool          // true or false
	Int           // whole number of any size
	Float         // IEEE 754 double; never NaN or infinite
	Decimal       // decimal fraction of any precision, transit tag ~f
	Date          // calendar day, transit tag ~t without a time
	Datetime      // UTC instant with nanoseconds, transit tag ~t
	UUID          // transit tag ~u
	NI            // namespaced identifier "ns:id", transit tag ~:
	URI           // transit tag ~r
	String        // UTF-8 text
	Dict          // ordered members with unique keys; an entity is a Dict
	List          // ordered values
	Bytes         // octets, transit tag ~b
)

var kindNames = [...]string{
	"null", "boolean", "integer", "float", "decimal", "date", "datetime",
	"uuid", "ni", "uri", "string", "dict", "list", "bytes",
}

// String returns the kind's name as the documentation spells it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

var kindRanks = [...]uint8{0, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10}

// Rank is the kind's place in the total order across kinds; kinds of one rank
// compare by their values.
func (k Kind) Rank() int { return int(kindRanks[k]) }
