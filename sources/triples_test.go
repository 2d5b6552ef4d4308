package sources

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/entity"
)

var updateTriples = flag.Bool("update-triples", false, "rewrite what the cases of triples.txtar expect")

// taken writes the entities of N-Triples, or the error.
func taken(body string, resources []string) string {
	got, err := (&httpEndpoint{}).DecodeTriples([]byte(body), resources, entity.NewArena())
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, e := range got {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

func TestTriples(t *testing.T) {
	const path = "../testdata/components/triples.txtar"
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+2 < len(a.Files); i += 3 {
		name, _, _ := strings.Cut(a.Files[i].Name, "/")
		resources, body, out := string(a.Files[i].Data), string(a.Files[i+1].Data), &a.Files[i+2]
		if a.Files[i+1].Name != name+"/body.nt" || out.Name != name+"/out" {
			t.Fatal("a case is resources, body.nt and out: ", name)
		}
		var named []string
		if resources != "" {
			named = strings.Split(strings.TrimSuffix(resources, "\n"), "\n")
		}
		got := taken(body, named)
		if *updateTriples {
			out.Data = []byte(got)
			continue
		}
		if got != string(out.Data) {
			t.Errorf("%s: got\n%swant\n%s", name, got, out.Data)
		}
		// Statements have no order.
		lines := slices.Collect(strings.Lines(body))
		slices.Reverse(lines)
		back := taken(strings.Join(lines, ""), named)
		if !strings.HasPrefix(got, "error: ") && !alike(t, got, back) {
			t.Errorf("%s: backwards\n%swant\n%s", name, back, got)
		}
	}
	if *updateTriples {
		if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// alike tells whether two texts are the same entities: members have no order.
func alike(t *testing.T, a, b string) bool {
	t.Helper()
	values := func(text string) (all []entity.Value) {
		for line := range strings.Lines(text) {
			v, err := entity.DecodeString(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all = append(all, v)
		}
		return all
	}
	return slices.EqualFunc(values(a), values(b), func(a, b entity.Value) bool { return entity.Hash(a) == entity.Hash(b) })
}

// Blank nodes lie in one another as deep as what is stored can be read again.
func TestTriplesDepth(t *testing.T) {
	deep := func(levels int) string {
		b := "<a:1> <a:n> _:0 .\n"
		for i := range levels - 1 {
			b += fmt.Sprintf("_:%d <a:n> _:%d .\n_:%[1]d <a:n> \"x\" .\n", i, i+1)
		}
		return taken(b, []string{"a:1"})
	}
	if got := deep(mostLevels - 1); strings.HasPrefix(got, "error") || !alike(t, got, got) {
		t.Error(got)
	}
	const want = "error: line 398, column 13: blank nodes lie in one another more than 200 levels deep\n"
	if got := deep(mostLevels); got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

// FuzzTriples: each resource becomes an entity of its own, which can be written
// down and read again and is the same whatever the order of the statements.
func FuzzTriples(f *testing.F) {
	a, err := txtar.ParseFile("../testdata/components/triples.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i+2 < len(a.Files); i += 3 {
		f.Add(string(a.Files[i+1].Data), string(a.Files[i].Data))
	}
	f.Fuzz(func(t *testing.T, body, resources string) {
		named := strings.Split(strings.TrimSuffix(resources, "\n"), "\n")
		got, err := (&httpEndpoint{}).DecodeTriples([]byte(body), named, entity.NewArena())
		if err != nil {
			return
		}
		ids := map[string]bool{}
		for _, e := range got {
			id, ok := entity.ID(e)
			if !ok || ids[id] || !slices.Contains(named, id[1:len(id)-1]) {
				t.Fatalf("%s of %q", e, named)
			}
			ids[id] = true
			if strings.Contains(body, "~") {
				continue // a text that begins so is read as what it looks like
			}
			if again, err := entity.DecodeString(e.String()); err != nil || entity.Hash(again) != entity.Hash(e) {
				t.Fatalf("%s is read as %s: %v", e, again, err)
			}
		}
		lines := strings.FieldsFunc(body, func(c rune) bool { return c == '\n' || c == '\r' })
		slices.Reverse(lines)
		back, err := (&httpEndpoint{}).DecodeTriples([]byte(strings.Join(lines, "\n")), named, entity.NewArena())
		if err != nil || !slices.EqualFunc(got, back, func(a, b entity.Value) bool { return entity.Hash(a) == entity.Hash(b) }) {
			t.Fatalf("%v became %v backwards: %v", got, back, err)
		}
	})
}

// What a request of many short statements takes is bounded by how many it has.
func TestTriplesAreBounded(t *testing.T) {
	for text, want := range map[string]string{
		"# \n<r:> <p:> \"\".\n<r:> <p:> \"\".\n# \n":          "",
		"<r:> <p:> \"\".\n<r:> <p:> \"\".\n<r:> <p:> \"\".\n": "line 3, column 1: more than 2 statements in one request: post fewer resources at once",
	} {
		g := graph{text: text, subjects: map[string]*subject{}, most: 2}
		g.subject("r:")
		if err := g.read(); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
