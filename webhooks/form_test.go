package webhooks

import (
	"net/url"
	"strings"
	"testing"
	"time"

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

// An address is sent as the line of a request can have it, whatever it holds.
func TestRequestLine(t *testing.T) {
	for address, want := range map[string]string{
		"https://h/ü?q=☕&a b=c%20d": "/%C3%BC?q=%E2%98%95&a%20b=c%20d", "https://h?a=\"<x>\"": "/?a=%22%3Cx%3E%22", "https://h/a?b=c/d?e&f=+": "/a?b=c/d?e&f=+",
	} {
		e := &Endpoint{Method: "POST"}
		q, err := e.request(t.Context(), &Delivery{}, &Target{URL: address}, time.Now())
		if err != nil || q.URL.RequestURI() != want {
			t.Errorf("%s: %s %v, want %s", address, q.URL.RequestURI(), err, want)
		}
	}
}
