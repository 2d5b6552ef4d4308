package xmltext

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
)

func TestAppend(t *testing.T) {
	root := []Attribute{{"xmlns", "u"}, {"id", "root"}}
	for in, want := range map[string]string{
		`{"_id":"1","name":"Entity 1","id":"e","<foo:tag>":[{"id":"child","name":"C","<s>":[{"<from>":"0"},{"<to>":"9"}]}]}`: `<foo:tag xmlns="u" name="Entity 1" id="e"><s id="child" name="C"><from>0</from><to>9</to></s></foo:tag>`,
		`{"<a>":null}`:                             `<a xmlns="u" id="root"/>`,
		`{"<a>":{"<b>":true}}`:                     `<a xmlns="u" id="root"><b>true</b></a>`,
		`{"<a>":[1,null,["x"],{"<b>":1.50}]}`:      `<a xmlns="u" id="root"><b>1.50</b></a>`,
		`{"<a>":"~t2020-01-02T03:04:05Z"}`:         `<a xmlns="u" id="root">2020-01-02T03:04:05Z</a>`,
		`{"<a>":"<&>\"'\n","b":"x\ty\r","n":null}`: `<a xmlns="u" id="root" b="x&#9;y&#13;">&lt;&amp;&gt;&quot;'&#10;</a>`,
		`{"<é>":"ø"}`:                              `<é xmlns="u" id="root">ø</é>`,
		`{}`:                                       "error: no property is a tag: exactly one has to be named <…>",
		`{"<a>":1,"<b>":2}`:                        "error: 2 properties are tags: exactly one has to be named <…>",
		`{"<a b='c'>":1}`:                          `error: "a b='c'" is no name of an XML element`,
		`{"<a>":1,"x y":1}`:                        `error: the property "x y" is no name of an XML attribute`,
		`{"<a>":1,"x":[1]}`:                        `error: the property "x" is a list; an XML attribute holds one plain value`,
		`{"<a>":{"<b>":{"<c>":"\u0001"}}}`:         "error: in <a>: in <b>: in <c>: the character U+0001 cannot stand in XML",
		`{"<a>":{"x":1}}`:                          "error: in <a>: no property is a tag: exactly one has to be named <…>",
	} {
		if got := write(t, in, root); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func write(t *testing.T, in string, root []Attribute) string {
	t.Helper()
	v, err := entity.DecodeString(in)
	if err != nil {
		t.Fatal(in, err)
	}
	out, err := Append(nil, v, root)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(out)
}

// FuzzAppend checks that whatever is written is one well-formed element.
func FuzzAppend(f *testing.F) {
	f.Add(`{"<a>":"x","b":"<\"&\u000b"}`)
	f.Add(`{"<a:b>":[{"<c>":1},{"<d>":{"<e>":"]]>"}}],"_x":1}`)
	f.Add(`{"<xmlns:a>":1,"xmlns":"","xml:lang":"no"}`)
	f.Fuzz(func(t *testing.T, in string) {
		v, err := entity.DecodeString(in)
		if err != nil || v.Kind() != entity.Dict {
			return
		}
		out, err := Append(nil, v, []Attribute{{"r", "&"}})
		if err != nil {
			if len(out) != 0 {
				t.Fatalf("%s: an error left %q", in, out)
			}
			return
		}
		if err := wellFormed(string(out)); err != nil {
			t.Fatalf("%s became %s: %v", in, out, err)
		}
	})
}

func wellFormed(s string) error {
	d := xml.NewDecoder(strings.NewReader(s))
	roots, depth := 0, 0
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			seen := map[xml.Name]bool{}
			for _, a := range tok.Attr {
				if seen[a.Name] {
					return errors.New("an attribute twice")
				}
				seen[a.Name] = true
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 {
				return errors.New("text outside of the element")
			}
		default:
			return errors.New("something that is no element")
		}
	}
	if roots != 1 || depth != 0 {
		return errors.New("not one element")
	}
	return nil
}
