package stdlib_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// conformance is one case of testdata/dtl/conformance.
type conformance struct {
	ID, Kind     string
	Function     string
	Expr         json.RawMessage
	Source       json.RawMessage
	Target       json.RawMessage
	Datasets     map[string]json.RawMessage
	Expect       json.RawMessage
	ExpectKind   string `json:"expect_kind"`
	Note         string
	Config       json.RawMessage
	ConfigFields struct {
		NamespacedIdentifiers bool                         `json:"namespaced_identifiers"`
		Namespaces            map[string]string            `json:"namespaces"`
		Rules                 json.RawMessage              `json:"rules"`
		URLParameters         json.RawMessage              `json:"url_parameters"`
		PreviousSource        json.RawMessage              `json:"previous_source"`
		IDRequired            bool                         `json:"id_required"`
		Tolerance             float64                      `json:"tolerance"`
		PipeID                string                       `json:"pipe_id"`
		URINamespaces         map[string]string            `json:"uri_namespaces"`
		Secrets               map[string]string            `json:"secrets"`
		Completeness          map[string]map[string]string `json:"completeness"`
	} `json:"-"`
}

// TestConformance runs the documented examples. Disputed cases are decided in
// disputed.json.
func TestConformance(t *testing.T) {
	files, err := filepath.Glob("../../testdata/dtl/conformance/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	decided := readDecisions(t)
	l := lib(t)
	ran := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []conformance
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			if c.ExpectKind == "disputed" {
				decided.settle(t, &c)
			}
			c.Expr = json.RawMessage(withKeys(t, string(c.Expr)))
			if c.Config != nil {
				c.Config = json.RawMessage(withKeys(t, string(c.Config)))
				if err := json.Unmarshal(c.Config, &c.ConfigFields); err != nil {
					t.Fatalf("%s: %v", c.ID, err)
				}
			}
			ran++
			checkCase(t, l, &c)
		}
	}
	for id := range decided {
		t.Errorf("disputed.json decides %s, which is no disputed case", id)
	}
	t.Logf("%d cases", ran)
}

// decisions are what disputed.json says of cases on which the documentation
// contradicts itself.
type decisions map[string]decision

type decision struct {
	ID, Follows string
	Expect      json.RawMessage
	Unordered   bool
	Reason      string
}

func readDecisions(t *testing.T) decisions {
	t.Helper()
	data, err := os.ReadFile("../../testdata/dtl/disputed.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []decision
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	d := decisions{}
	for _, one := range all {
		if one.Reason == "" || one.Expect == nil {
			t.Errorf("%s: a decision has an expectation and a reason", one.ID)
		}
		d[one.ID] = one
	}
	return d
}

// settle gives a disputed case the expectation decided on, and takes the
// decision out.
func (d decisions) settle(t *testing.T, c *conformance) {
	t.Helper()
	one, ok := d[c.ID]
	if !ok {
		t.Errorf("%s is disputed and not decided", c.ID)
	}
	delete(d, c.ID)
	c.Expect, c.ExpectKind = one.Expect, "equal"
	if one.Unordered {
		c.ExpectKind = "unordered"
	}
}

func checkCase(t *testing.T, l *dtl.Lib, c *conformance) {
	t.Helper()
	got, err := runCase(t, l, c)
	if c.ExpectKind == "error" {
		if err == "" {
			t.Errorf("%s: got %v, want an error", c.ID, got)
		}
		return
	}
	// What json-parse gives has no transit values, only texts that look so.
	want, decErr := entity.DecodeText(nil, string(c.Expect), entity.DecodeOptions{Plain: c.Function == "json-parse"})
	if decErr != nil {
		t.Fatalf("%s: %v", c.ID, decErr)
	}
	same := sameResult(got, want, c.ExpectKind == "unordered") || nearby(got, want, c.ConfigFields.Tolerance)
	if c.ExpectKind == "nondeterministic" {
		same = sameShape(got, want)
	}
	if err != "" || !same {
		t.Errorf("%s: %.300s\n  got  %v %s\n  want %v\n  note: %s", c.ID, c.Expr, got, err, want, c.Note)
	}
}

// nearby compares numbers, or lists of them, within a tolerance.
func nearby(got, want entity.Value, tolerance float64) bool {
	if want.Kind() == entity.List && got.Len() == want.Len() {
		for i, e := range want.Elems() {
			if !nearby(got.Elems()[i], e, tolerance) {
				return false
			}
		}
		return true
	}
	return got.IsNumber() && math.Abs(got.Float64()-want.Float64()) < tolerance
}

// sameShape compares kinds and lengths alone.
func sameShape(got, want entity.Value) bool {
	if got.Kind() == entity.Bytes && strings.HasPrefix(want.Text(), "~b") {
		return true // the documentation shortens
	}
	if got.Kind() != want.Kind() || got.Len() != want.Len() {
		return false
	}
	for i, e := range want.Elems() {
		if !sameShape(got.Elems()[i], e) {
			return false
		}
	}
	return true
}

func sameResult(got, want entity.Value, unordered bool) bool {
	if unordered && want.Kind() == entity.Dict {
		g, _ := got.Get("emitted")
		w, _ := want.Get("emitted")
		return sameResult(g, w, true)
	}
	if unordered && got.Kind() == entity.List && want.Kind() == entity.List {
		byOrder := func(v entity.Value) entity.Value {
			return entity.NewList(slices.SortedFunc(slices.Values(v.Elems()), entity.Compare)...)
		}
		got, want = byOrder(got), byOrder(want)
	}
	return entity.Equal(got, want)
}

func (c *conformance) options(l *dtl.Lib) dtl.Options {
	pipe := c.ConfigFields.PipeID
	if pipe == "" {
		pipe = "test"
	}
	return dtl.Options{Lib: l, PipeID: pipe, URINamespaces: c.ConfigFields.URINamespaces, NamespacedIdentifiers: c.ConfigFields.NamespacedIdentifiers,
		IdentityNS: c.ConfigFields.Namespaces["identity"], PropertyNS: c.ConfigFields.Namespaces["property"], IDRequired: c.ConfigFields.IDRequired}
}

func value(t testing.TB, raw json.RawMessage) entity.Value {
	t.Helper()
	if raw == nil {
		return entity.NewDict()
	}
	v, err := entity.DecodeString(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func parse(t *testing.T, raw json.RawMessage) *jsonpos.Node {
	t.Helper()
	if raw == nil {
		return nil
	}
	n, errs := jsonpos.Parse("case", raw)
	if errs != nil {
		t.Fatal(errs[0])
	}
	return n
}

func runCase(t *testing.T, l *dtl.Lib, c *conformance) (entity.Value, string) {
	t.Helper()
	h := &dtl.MemHost{Datasets: map[string][]entity.Value{}, Earlier: map[string]entity.Value{}, Secrets: c.ConfigFields.Secrets,
		Complete: map[string]map[string]time.Time{}}
	for via, datasets := range c.ConfigFields.Completeness {
		h.Complete[via] = map[string]time.Time{}
		for dataset, text := range datasets {
			v, _ := entity.ParseDatetime(strings.TrimPrefix(text, "~t"))
			h.Complete[via][dataset] = v.Time()
		}
	}
	for name, raw := range c.Datasets {
		h.Datasets[name] = value(t, raw).Elems()
	}
	source := value(t, c.Source)
	if c.ConfigFields.PreviousSource != nil {
		id, _ := entity.ID(source)
		h.Earlier[id] = value(t, c.ConfigFields.PreviousSource)
	}
	rules := parse(t, c.ConfigFields.Rules)
	if c.Kind == "transform" {
		return runTransform(t, l, c, h, source, rules)
	}
	e, finds := dtl.CompileExpr(parse(t, c.Expr), rules, c.options(l))
	if e == nil {
		return entity.Value{}, messages(finds)
	}
	r := dtl.NewRun(e.Program(), h)
	r.SetParams(value(t, c.ConfigFields.URLParameters))
	v, err := r.Eval(t.Context(), e, source, value(t, c.Target), entity.NewArena())
	if err != nil {
		return v, err.Error()
	}
	return v, ""
}

func runTransform(t *testing.T, l *dtl.Lib, c *conformance, h *dtl.MemHost, source entity.Value, rules *jsonpos.Node) (entity.Value, string) {
	t.Helper()
	expr := parse(t, c.Expr)
	all := &jsonpos.Node{Kind: jsonpos.Object, Members: []*jsonpos.Member{{Key: "default", Value: expr}}}
	if rules != nil {
		all.Members = append(all.Members, rules.Members...)
	}
	p, finds := dtl.CompileRules(all, c.options(l))
	if p == nil {
		return entity.Value{}, messages(finds)
	}
	emitted, err := dtl.NewRun(p, h).TransformOne(t.Context(), source, value(t, c.Target), entity.NewArena())
	if err != nil {
		return entity.Value{}, err.Error()
	}
	return shape(emitted, strings.Contains(string(c.Expect), `"emitted"`)), ""
}

// shape writes what was emitted as the cases do: the target alone, or
// everything with a mark for a stopped one.
func shape(emitted []entity.Value, asList bool) entity.Value {
	if !asList && len(emitted) == 1 {
		return emitted[0]
	}
	var kept []entity.Value
	filtered := false
	for _, e := range emitted {
		if entity.Filtered(e) {
			filtered = true
			continue
		}
		kept = append(kept, e)
	}
	o := &entity.Object{}
	o.Set("emitted", entity.NewList(kept...))
	if filtered {
		o.Set("filtered", entity.NewBool(true))
	} else if len(emitted) == 0 {
		o.Set("discarded", entity.NewBool(true))
	}
	return o.Value()
}
