package spec

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/textdist"
)

var nodeType = reflect.TypeFor[*jsonpos.Node]()

// Decode fills a configuration struct from an object and reports every problem
// at once: a wrong type, a missing or unknown property, a value that is not
// among those allowed or out of range. Properties left out take their default.
// An unknown property is a warning, since existing files have some.
func Decode(n *jsonpos.Node, into any) diag.List {
	var finds diag.List
	decodeStruct(n, reflect.ValueOf(into).Elem(), &finds)
	return finds
}

func decodeStruct(n *jsonpos.Node, v reflect.Value, finds *diag.List) {
	d := describe(v.Type())
	if d.base != nil {
		v.FieldByIndex(d.base).Set(reflect.ValueOf(Base{n}))
	}
	for i := range d.fields {
		d.fields[i].setDefault(v)
	}
	if n == nil {
		return
	}
	if n.Kind != jsonpos.Object {
		finds.Add(problem(n.Span, "config/type", "", "an object is expected, found a %s", n.Kind))
		return
	}
	for _, m := range n.Members {
		d.member(m, v, finds)
	}
	for _, f := range d.fields {
		if f.Required && n.Get(f.Name) == nil {
			finds.Add(problem(opening(n), "config/missing", f.Doc, "the property %q is missing", f.Name))
		}
	}
}

// opening is the place of an object's brace: the whole object would be too
// much to point at.
func opening(n *jsonpos.Node) jsonpos.Span {
	s := n.Span
	s.End = jsonpos.Pos{Line: s.Start.Line, Col: s.Start.Col + 1}
	return s
}

func problem(at jsonpos.Span, rule, help, format string, args ...any) diag.Finding {
	return diag.Finding{Rule: rule, Severity: diag.Error, Message: fmt.Sprintf(format, args...), Span: at, Help: help}
}

func (d *described) member(m *jsonpos.Member, v reflect.Value, finds *diag.List) {
	f := d.byName[m.Key]
	if f == nil {
		finds.Add(d.unknown(m))
		return
	}
	if f.Name != m.Key {
		finds.Add(diag.Finding{Rule: "config/deprecated-key", Severity: diag.Warning, Span: m.KeySpan,
			Message: fmt.Sprintf("the property %q is now called %q", m.Key, f.Name), Help: "rename it"})
	}
	if !f.accepts(m.Value) {
		finds.Add(problem(m.Value.Span, "config/type", f.Doc, "%q must be %s, found a %s", m.Key, anyOf(f.Kinds), m.Value.Kind))
		return
	}
	if m.Value.Kind == jsonpos.String && f.Enum != nil && !slices.Contains(f.Enum, m.Value.Text) && !strings.Contains(m.Value.Text, "$") {
		help := "one of " + strings.Join(f.Enum, ", ")
		if near := textdist.Nearest(m.Value.Text, f.Enum); near != "" {
			help = fmt.Sprintf("did you mean %q? (%s)", near, help)
		}
		finds.Add(problem(m.Value.Span, "config/value", help, "%q cannot be %q", m.Key, m.Value.Text))
		return
	}
	f.set(m.Value, v.FieldByIndex(f.index), finds)
}

func anyOf(kinds []string) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		article := "a "
		if strings.ContainsRune("aeio", rune(k[0])) {
			article = "an "
		}
		names[i] = article + k
	}
	return strings.Join(names, " or ")
}

func (d *described) unknown(m *jsonpos.Member) diag.Finding {
	help := ""
	if near := textdist.Nearest(strings.ReplaceAll(m.Key, "-", "_"), d.names); near != "" {
		help = fmt.Sprintf("did you mean %q?", near)
	}
	return diag.Finding{Rule: "config/unknown-key", Severity: diag.Warning, Span: m.KeySpan, Help: help,
		Message: fmt.Sprintf("the property %q is not known here and has no effect", m.Key)}
}

// accepts tells whether the node has one of the field's JSON types. Numbers
// may come as text with a decimal tag, as exported configurations have them.
func (f *Field) accepts(n *jsonpos.Node) bool {
	for _, k := range f.Kinds {
		switch {
		case k == "any",
			k == "string" && n.Kind == jsonpos.String,
			k == "boolean" && n.Kind == jsonpos.Bool,
			k == "object" && n.Kind == jsonpos.Object,
			k == "array" && n.Kind == jsonpos.Array,
			k == "null" && n.Kind == jsonpos.Null,
			(k == "number" || k == "integer") && isNumber(n, k == "integer"):
			return true
		}
	}
	// A property set to null is a property left out.
	return n.Kind == jsonpos.Null && !f.Required
}

func isNumber(n *jsonpos.Node, whole bool) bool {
	x, ok := number(n)
	return ok && (!whole || x == math.Trunc(x))
}

func number(n *jsonpos.Node) (float64, bool) {
	text := n.Text
	if n.Kind == jsonpos.String {
		var tagged bool
		if text, tagged = strings.CutPrefix(text, "~f"); !tagged {
			return 0, false
		}
	} else if n.Kind != jsonpos.Number {
		return 0, false
	}
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil
}

// set stores a node of an accepted type.
func (f *Field) set(n *jsonpos.Node, v reflect.Value, finds *diag.List) {
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(n))
		return
	}
	if n.Kind == jsonpos.Null {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.set(n, v.Elem(), finds)
	case reflect.String:
		v.SetString(n.Text)
	case reflect.Bool:
		v.SetBool(n.Bool)
	case reflect.Int, reflect.Int64, reflect.Float64:
		f.setNumber(n, v, finds)
	case reflect.Slice:
		f.setSlice(n, v, finds)
	case reflect.Map:
		f.setMap(n, v, finds)
	case reflect.Struct:
		decodeStruct(n, v, finds)
	}
}

func (f *Field) setNumber(n *jsonpos.Node, v reflect.Value, finds *diag.List) {
	x, _ := number(n)
	low, errLow := strconv.ParseFloat(f.Min, 64)
	high, errHigh := strconv.ParseFloat(f.Max, 64)
	if errLow == nil && x < low {
		finds.Add(problem(n.Span, "config/range", f.Doc, "%q must be at least %s", f.Name, f.Min))
		return
	}
	if errHigh == nil && x > high {
		finds.Add(problem(n.Span, "config/range", f.Doc, "%q must be at most %s", f.Name, f.Max))
		return
	}
	if v.Kind() == reflect.Float64 {
		v.SetFloat(x)
	} else {
		v.SetInt(int64(x))
	}
}

// setSlice reads a list; where one string is accepted too, it is a list of one.
func (f *Field) setSlice(n *jsonpos.Node, v reflect.Value, finds *diag.List) {
	elems := n.Elems
	if n.Kind != jsonpos.Array {
		elems = []*jsonpos.Node{n}
	}
	s := reflect.MakeSlice(v.Type(), len(elems), len(elems))
	elem := Field{Name: f.Name, Kinds: kindsOf(v.Type().Elem()), Required: true}
	for i, e := range elems {
		if !elem.accepts(e) {
			finds.Add(problem(e.Span, "config/type", f.Doc, "each element of %q must be %s, found a %s", f.Name, anyOf(elem.Kinds), e.Kind))
			continue
		}
		elem.set(e, s.Index(i), finds)
	}
	v.Set(s)
}

func (f *Field) setMap(n *jsonpos.Node, v reflect.Value, finds *diag.List) {
	m := reflect.MakeMapWithSize(v.Type(), len(n.Members))
	elem := Field{Name: f.Name, Kinds: kindsOf(v.Type().Elem()), Required: true}
	for _, e := range n.Members {
		if !elem.accepts(e.Value) {
			finds.Add(problem(e.Value.Span, "config/type", f.Doc, "each value of %q must be %s, found a %s", f.Name, anyOf(elem.Kinds), e.Value.Kind))
			continue
		}
		x := reflect.New(v.Type().Elem()).Elem()
		elem.set(e.Value, x, finds)
		m.SetMapIndex(reflect.ValueOf(e.Key), x)
	}
	v.Set(m)
}

// setDefault gives a property left out its default; within a struct, each of
// its own.
func (f *Field) setDefault(v reflect.Value) {
	fv := v.FieldByIndex(f.index)
	if fv.Kind() == reflect.Struct {
		d := describe(fv.Type())
		for i := range d.fields {
			d.fields[i].setDefault(fv)
		}
	}
	if f.Default == "" {
		return
	}
	switch fv.Kind() {
	case reflect.String:
		fv.SetString(f.Default)
	case reflect.Bool:
		fv.SetBool(f.Default == "true")
	case reflect.Int, reflect.Int64:
		i, _ := strconv.ParseInt(f.Default, 10, 64)
		fv.SetInt(i)
	case reflect.Float64:
		x, _ := strconv.ParseFloat(f.Default, 64)
		fv.SetFloat(x)
	}
}
