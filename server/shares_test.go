package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// do asks and returns status and body.
func do(t *testing.T, method, address, body string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A link opens its publisher and no other one, until it is taken back.
func TestShareableLinks(t *testing.T) {
	_, s := published(t)
	links := s.URL + "/api/publishers/table/shareable-links"
	type link struct {
		ID          string
		URLs        []string
		Exp         int64
		Created     int64 `json:"created_ts"`
		Description string
	}
	newLink := func() (l link) {
		status, text := do(t, "POST", links, fmt.Sprintf(`{"exp": %d, "description": "for Ada"}`, time.Now().Unix()+3600))
		if err := json.Unmarshal([]byte(text), &l); err != nil || status != 200 || len(l.URLs) != 2 || l.Description != "for Ada" {
			t.Fatalf("%d %s %v", status, text, err)
		}
		return l
	}
	a, b := newLink(), newLink()
	for i, want := range []string{"_id,vowel\r\nA,true", "PK"} {
		if status, text := do(t, "GET", a.URLs[i], ""); status != 200 || !strings.HasPrefix(text, want) {
			t.Errorf("%s: %d %.50s", a.URLs[i], status, text)
		}
	}
	_, list := do(t, "GET", links, "")
	if strings.Index(list, a.ID) > strings.Index(list, b.ID) || !strings.Contains(list, `"urls":["`) {
		t.Error(list)
	}
	token := a.URLs[0][strings.Index(a.URLs[0], "=")+1:]
	for address, want := range map[string]int{
		s.URL + "/api/publishers/plain/entities?shareable_link=" + token:                               403,
		s.URL + "/api/publishers/table/csv?shareable_link=" + token:                                    200,
		s.URL + "/api/publishers/table/csv?shareable_link=" + b.ID + token[strings.Index(token, "."):]: 403,
		s.URL + "/api/publishers/table/csv?shareable_link=":                                            403,
		s.URL + "/api/publishers/table/csv?shareable_link=../x.AAAA":                                   403,
		s.URL + "/api/publishers/table/csv":                                                            200,
		s.URL + "/api/publishers/nothing/shareable-links":                                              404,
		s.URL + "/api/publishers/letters/shareable-links":                                              405,
	} {
		if got, text := do(t, "GET", address, ""); got != want {
			t.Errorf("%s: %d %.80s, want %d", address, got, text, want)
		}
	}
	for body, want := range map[string]int{`{"exp": 5}`: 400, `{}`: 400, `x`: 400, fmt.Sprintf(`{"exp": 1e12, "description": %q}`, strings.Repeat("x", 2000)): 400} {
		if got, _ := do(t, "POST", links, body); got != want {
			t.Errorf("%s: %d", body, got)
		}
	}
	if got, _ := do(t, "DELETE", links+"/"+a.ID, ""); got != 200 {
		t.Errorf("delete: %d", got)
	}
	if got, _ := do(t, "DELETE", links+"/"+a.ID, ""); got != 404 {
		t.Errorf("delete again: %d", got)
	}
	if got, _ := do(t, "GET", a.URLs[0], ""); got != 403 {
		t.Errorf("a link that was taken back: %d", got)
	}
}
