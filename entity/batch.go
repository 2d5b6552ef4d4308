package entity

// Batch is what travels through a pipe at once: the entities of one read, all
// in one arena.
type Batch struct {
	// Arena owns the entities. Transforms put what they make into it.
	Arena *Arena
	// Entities are Dicts, in the order read.
	Entities []Value
	// Since is the source's offset after the last entity of the batch: handed
	// back to the source it continues behind it. Empty if the source has none.
	Since string
	// Last tells that the source knows nothing more to come in this run.
	Last bool
	// Safe is called when all of the batch was written, or set aside, and survives
	// a power cut; nil if nobody asks.
	Safe func()
	// Notes are what the source has to remember of the batch; nil if nothing.
	Notes Notes
}

// Notes are entities for a dataset that the source keeps for itself. Deleted
// ones are removed from it, if they are there.
type Notes interface {
	// Intent must stand before anything of the batch is delivered that is not in
	// one commit with Done.
	Intent() []Value
	// Done stands once all of the batch is delivered.
	Done() []Value
}

// Reserved root members of an entity.
const (
	IDKey       = "_id"
	DeletedKey  = "_deleted"
	UpdatedKey  = "_updated"
	PreviousKey = "_previous"
	HashKey     = "_hash"
	TSKey       = "_ts"
	FilteredKey = "_filtered"
)

// ID returns the entity's identity; false if it has no string _id.
func ID(v Value) (string, bool) {
	id, ok := v.Get(IDKey)
	if !ok || id.kind != String {
		return "", false
	}
	return id.text(), true
}

// Deleted tells whether the entity is a tombstone: only a literal true counts.
func Deleted(v Value) bool {
	d, _ := v.Get(DeletedKey)
	return d.Bool()
}

// Filtered tells whether a DTL filter stopped the entity.
func Filtered(v Value) bool {
	f, _ := v.Get(FilteredKey)
	return f.Bool()
}
