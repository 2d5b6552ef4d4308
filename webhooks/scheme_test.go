package webhooks

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// vector is a message with the headers that prove it.
type vector struct {
	Scheme, Header string
	Keys, Verify   Keys // to sign, and to verify if that takes others
	ID             string
	Time           int64
	Body           string
	Headers        map[string]string
}

func (v vector) message() *Message {
	m := &Message{ID: v.ID, Time: time.Unix(v.Time, 0), Body: []byte(v.Body), Header: http.Header{}}
	for name, value := range v.Headers {
		m.Header.Set(name, value)
	}
	return m
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("../testdata/webhooks/signatures.json")
	var all []vector
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i].Verify == nil {
			all[i].Verify = all[i].Keys
		}
	}
	return all
}

func (v vector) scheme(t testing.TB) Scheme {
	t.Helper()
	s, err := New(v.Scheme, v.Header)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Signing gives the headers of the vectors, and they prove the message; any
// other body, header, secret or time does not.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		s, m, now := v.scheme(t), v.message(), time.Unix(v.Time, 0)
		h, err := s.Sign(m, v.Keys)
		if diff := cmp.Diff(m.Header, h); diff != "" || err != nil {
			t.Errorf("%s signs\n%s%v", v.Scheme, diff, err)
		}
		if err := s.Verify(m, v.Verify, now); err != nil {
			t.Errorf("%s: %v", v.Scheme, err)
		}
		if err := s.Verify(m, append(Keys{other(v)}, v.Verify...), now); err != nil {
			t.Errorf("%s, with a newer secret: %v", v.Scheme, err)
		}
		for what, err := range tampered(s, v) {
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%s, %s: %v", v.Scheme, what, err)
			}
		}
		for _, keys := range []Keys{nil, {}, {""}, {v.Verify[0], ""}} {
			if err := s.Verify(m, keys, now); err == nil {
				t.Errorf("%s accepts with the secrets %q", v.Scheme, keys)
			}
		}
	}
}

// other is a secret of the vector's kind that is not the vector's.
func other(v vector) string {
	switch v.Scheme {
	case "standard":
		return "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
	case "basic":
		return "someone:else"
	}
	return "something else"
}

func tampered(s Scheme, v vector) map[string]error {
	now, found := time.Unix(v.Time, 0), map[string]error{}
	found["another secret"] = s.Verify(v.message(), Keys{other(v)}, now)
	if v.Body != "" {
		m := v.message()
		m.Body = append(m.Body, ' ')
		found["another body"] = s.Verify(m, v.Verify, now)
	}
	if v.Time != 0 {
		found["six minutes late"] = s.Verify(v.message(), v.Verify, now.Add(6*time.Minute))
		found["six minutes early"] = s.Verify(v.message(), v.Verify, now.Add(-6*time.Minute))
	}
	for name, value := range v.Headers {
		m := v.message()
		m.Header.Del(name)
		found["without "+name] = s.Verify(m, v.Verify, now)
		m.Header[name] = []string{value, value}
		found["twice "+name] = s.Verify(m, v.Verify, now)
		m.Header[name] = []string{""}
		found["empty "+name] = s.Verify(m, v.Verify, now)
		for i := range value {
			if value[i] == ' ' || value[i] == 'b' || value[i] == 'B' {
				continue // the case of "Bearer" does not count
			}
			m.Header.Set(name, value[:i]+"~"+value[i+1:])
			if err := s.Verify(m, v.Verify, now); !errors.Is(err, ErrRefused) {
				found["changed "+m.Header.Get(name)] = err
			}
		}
	}
	return found
}

// While a secret is replaced, standard messages are signed with both, so that
// receivers verify with the one they know.
func TestRotation(t *testing.T) {
	s, _ := New("standard", "")
	old, young := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
	now := time.Unix(1_700_000_000, 0)
	m := &Message{ID: "m1", Time: now, Body: []byte("{}")}
	var err error
	if m.Header, err = s.Sign(m, Keys{young, old}); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{old, young} {
		if err := s.Verify(m, Keys{k}, now); err != nil {
			t.Error(err)
		}
	}
	if m.Header, err = s.Sign(m, Keys{young}); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(m, Keys{old}, now); !errors.Is(err, ErrRefused) {
		t.Errorf("the old secret alone: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, c := range [][2]string{{"", ""}, {"Standard", ""}, {"none", ""}, {"github", "X-Mine"}, {"header", ""}, {"header", "no good"}} {
		if s, err := New(c[0], c[1]); err == nil {
			t.Errorf("%q gives %T", c, s)
		}
	}
	s, _ := New("standard", "")
	for _, id := range []string{"", "a.b", "a\nb"} {
		if _, err := s.Sign(&Message{ID: id}, Keys{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}); err == nil {
			t.Errorf("signs the id %q", id)
		}
	}
	for _, key := range []string{"secret", "whsec_", "whsec_~", "whsk_AAEC", "whpk_AAEC"} {
		_, err := s.Sign(&Message{ID: "m"}, Keys{key})
		if err == nil || strings.Contains(err.Error(), key) && key != "whsec_" && key != "secret" {
			t.Errorf("the secret %q: %v", key, err)
		}
	}
}

// No header, whatever it is, is accepted without the secret.
func FuzzVerify(f *testing.F) {
	all := vectors(f)
	for i, v := range all {
		for _, value := range v.Headers {
			f.Add(i, value, v.Body)
		}
	}
	f.Fuzz(func(t *testing.T, i int, value, body string) {
		v := all[uint(i)%uint(len(all))]
		m := v.message()
		m.Body = []byte(body)
		for name := range v.Headers {
			m.Header.Set(name, value)
		}
		if v.scheme(t).Verify(m, Keys{other(v)}, time.Unix(v.Time, 0)) == nil && !strings.Contains(value, other(v)) && v.Scheme != "basic" {
			t.Errorf("%s accepts %q", v.Scheme, value)
		}
	})
}
