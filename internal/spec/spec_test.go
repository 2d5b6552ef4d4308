package spec

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

type inner struct {
	Base
	X int `spec:"x,required" doc:"A number."`
}

type sample struct {
	Base
	Name  string            `spec:"name,required" doc:"The name."`
	Mode  string            `spec:"mode" enum:"scheduled,manual,off" default:"scheduled" doc:"The mode."`
	Size  int               `spec:"size" default:"100" min:"1" doc:"The size."`
	Ratio *float64          `spec:"ratio" alias:"quota" doc:"The ratio."`
	Tags  []string          `spec:"tags" kind:"string|array" doc:"Tags."`
	Env   map[string]string `spec:"env" doc:"Variables."`
	In    inner             `spec:"in" doc:"Inside."`
	Raw   *jsonpos.Node     `spec:"raw" kind:"array" doc:"Raw."`
	On    bool              `spec:"on" default:"true" doc:"On."`
}

func TestDecode(t *testing.T) {
	cases := []struct{ src, want string }{
		{`{"name":"a"}`, ""},
		{`{"name":"a","size":"~f12.0","tags":"x","ratio":0.5,"env":{"a":"b"},"in":{"x":1},"raw":[1],"on":null}`, ""},
		{`{}`, `1:1 error config/missing the property "name" is missing`},
		{`{"name":1,"mode":"manul","size":0}`, `1:9 error config/type "name" must be a string, found a number | 1:18 error config/value "mode" cannot be "manul" (did you mean "manual"? (one of scheduled, manual, off)) | 1:33 error config/range "size" must be at least 1`},
		{`{"name":"a","sise":1}`, `1:13 warning config/unknown-key the property "sise" is not known here and has no effect (did you mean "size"?)`},
		{`{"name":"a","quota":1}`, `1:13 warning config/deprecated-key the property "quota" is now called "ratio" (rename it)`},
		{`{"name":"a","tags":[1],"in":{},"size":1.5}`, `1:21 error config/type each element of "tags" must be a string, found a number | 1:29 error config/missing the property "x" is missing | 1:39 error config/type "size" must be an integer, found a number`},
	}
	for _, c := range cases {
		n, errs := jsonpos.Parse("f", []byte(c.src))
		if errs != nil {
			t.Fatal(errs[0])
		}
		var s sample
		finds := Decode(n, &s)
		finds.Sort()
		var got []string
		for _, f := range finds {
			text := fmt.Sprintf("%d:%d %s %s %s", f.Span.Start.Line, f.Span.Start.Col, f.Severity, f.Rule, f.Message)
			if f.Rule == "config/value" || f.Severity.String() == "warning" {
				text += " (" + f.Help + ")"
			}
			got = append(got, text)
		}
		if joined := strings.Join(got, " | "); joined != c.want {
			t.Errorf("%s:\n got  %s\n want %s", c.src, joined, c.want)
		}
	}
}

func TestDefaultsAndValues(t *testing.T) {
	n, _ := jsonpos.Parse("f", []byte(`{"name":"a","tags":"x","size":7}`))
	var s sample
	Decode(n, &s)
	if s.Mode != "scheduled" || s.Size != 7 || !s.On || len(s.Tags) != 1 || s.Node != n || s.At("size").Start.Col != 31 {
		t.Errorf("%+v", s)
	}
}

func TestSchema(t *testing.T) {
	b, err := json.Marshal(Schema(&sample{})["properties"].(map[string]any)["size"])
	if err != nil || string(b) != `{"default":100,"description":"The size.","minimum":1,"type":"integer"}` {
		t.Error(string(b), err)
	}
}
