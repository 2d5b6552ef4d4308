package webhooks

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/entity"
)

// A form keeps the order of its members, and numbers all their digits; texts are
// written as the URL standard says.
func TestForm(t *testing.T) {
	e := &Endpoint{ContentType: "Application/X-WWW-Form-Urlencoded; charset=utf-8"}
	for in, want := range map[string]string{
		`{"z": "a b", "a": 12345678901234567890123, "f": 0.10, "n": null, "t": true}`: "z=a+b&a=12345678901234567890123&f=0.10&n=&t=true",
		`{"ø": "~*-._é&=+%\n", "e": {"b": 1, "a": [1, "x"]}}`:                         "%C3%B8=%7E*-._%C3%A9%26%3D%2B%25%0A&e=%7B%22b%22%3A1%2C%22a%22%3A%5B1%2C%22x%22%5D%7D",
		`{}`: "", `"a=b"`: "a=b", `[1]`: "[1]",
	} {
		v, err := entity.DecodeString(in)
		if err != nil {
			t.Fatal(in, err)
		}
		if got := e.Encode(v); got != want {
			t.Errorf("%s: %s, not %s", in, got, want)
		}
	}
}

// Whatever a form is made of, it is read as that.
func FuzzForm(f *testing.F) {
	f.Add("a", "b c", "ø", "&=+%")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		if k1 == k2 {
			return
		}
		e := &Endpoint{ContentType: FormType}
		text := e.Encode(entity.NewDict(entity.Member{Key: k1, Value: entity.NewString(v1)}, entity.Member{Key: k2, Value: entity.NewString(v2)}))
		got, err := url.ParseQuery(text)
		if err != nil || len(got) != 2 || got.Get(k1) != v1 || got.Get(k2) != v2 || strings.Count(text, "&") != 1 {
			t.Errorf("%q: %v %v", text, got, err)
		}
	})
}
