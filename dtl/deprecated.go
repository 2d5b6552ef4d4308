package dtl

// oldName says what has taken the place of a function that old configurations
// use and the manual has no more: a successor that takes the same arguments, or
// only a help text; "" for any other name.
func oldName(name string) (successor, help string) {
	switch name {
	case "ni-collapse":
		return "ni", `call it "ni", which turns URIs into namespaced identifiers`
	case "curie":
		return "", `use "ni", which makes identifiers with a namespace`
	case "ni-expand", "uri-expand":
		return "", `use "uri" on the whole URI: identifiers are no longer turned into URIs`
	case "lookup":
		return "", `use "lookup-entity" for an entity of a dataset, or hops for a join`
	case "reference":
		return "", `use "make-ni", or hops to read what is referred to`
	default:
		return "", ""
	}
}
