package jinja

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// bombs would spend far more than a template may. The test binary's own
// deadline is what a failure would run into.
var bombs = []string{
	`{{ 'x' * 10**12 }}`,
	`{{ 'x' * 10**30 }}`,
	`{{ 'xy' * 9223372036854775807 }}`,
	`{{ [1] * 10**12 }}`,
	`{{ [1] * 90000 * 90000 }}`,
	`{{ (1, 2) * 2**62 }}`,
	`{{ 'x'|center(2000000000) }}`,
	`{{ 'x'.ljust(2000000000) }}`,
	`{{ 'x'.zfill(10**15) }}`,
	`{{ 'x'.center(9223372036854775807) }}`,
	`{{ '\t'.expandtabs(2000000000) }}`,
	`{{ ('\t' * 100000).expandtabs(1000000) }}`,
	`{{ '%2000000000d' % 1 }}`,
	`{{ '%*d' % (10**12, 1) }}`,
	`{{ '%.2000000000f' % 1.0 }}`,
	`{{ '%.2000000000d' % 1 }}`,
	`{{ '{:2000000000}'.format(1) }}`,
	`{{ '{:{}}'.format(1, 2000000000) }}`,
	`{{ '{:.999999999f}'.format(1.5) }}`,
	`{{ 'a\nb'|indent(2000000000) }}`,
	`{{ [1]|batch(2000000000, 'x')|list }}`,
	`{{ [1]|slice(2000000000)|list }}`,
	`{{ range(10**12)|list }}`,
	`{{ range(-(10**18), 10**18)|length }}`,
	`{{ 10 ** 10 ** 10 ** 10 ** 10 }}`,
	`{{ 2 ** 2000000000 }}`,
	`{{ 9 ** (9 ** 9) }}`,
	`{{ (2 ** 13000) * (2 ** 13000) }}`,
	`{{ 1e308|int ** 30 }}`,
	`{{ ('9' * 100000)|int }}`,
	`{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}`,
	`{% for a in range(100000) %}{{ 'x' * 100000 }}{% endfor %}`,
	`{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}`,
	`{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
	`{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}`,
	`{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}`,
	`{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}`,
	`{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l + [] }}{{ [ns.l] < [[ns.l[0], ns.l[1]]] }}`,
	`{% set ns = namespace(l=(1,)) %}{% for i in range(60) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ {ns.l: 1} }}`,
	`{% set l = [] %}{% set _ = l.append(l) %}{{ l }}`,
	`{% set l = [] %}{% set _ = l.append(l) %}{{ l|tojson }}`,
	`{% set l = [] %}{% set _ = l.append(l) %}{% set m = [] %}{% set _ = m.append(m) %}{{ l == m }}`,
	`{% set d = dict() %}{% set _ = d.update({'d': d}) %}{{ d }}`,
	`{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}`,
	`{% macro m(n) %}{{ m(n - 1) }}{{ m(n - 1) }}{% endmacro %}{{ m(90) }}`,
	`{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}`,
	`{% for i in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}`,
	`{{ ('a' * 1000000).replace('a', 'b' * 10000) }}`,
	`{{ ('a' * 1000000).replace('', 'b' * 10000) }}`,
	`{{ ('x' * 1000000)|replace('x', 'y' * 1000000) }}`,
	`{{ ('a,' * 1000000).split(',') }}`,
	`{{ ('a' * 10000000)|list }}`,
	`{{ (range(100000)|list)|map('string')|join('x' * 100000) }}`,
	`{{ ('x' * 100000).join(range(99999)|map('string')) }}`,
	`{{ range(99999)|sum(start=[]) }}{% for i in range(99999) %}{{ range(99999)|sum }}{% endfor %}`,
	`{% for i in range(99999) %}{{ range(99999)|list|sort|length }}{% endfor %}`,
	`{% for i in range(99999) %}{{ ('x' * 1000000)|urlencode|length }}{% endfor %}`,
	`{% for i in range(99999) %}{{ 'y' in 'x' * 1000000 }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s|length }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s == s ~ '' }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s.find('y') }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s.isalpha() }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s is lower }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s[5] }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s|wordcount }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s|int(7) }}{% endfor %}`,
	`{% set s = 'x' * 10000000 %}{% for i in range(99999) %}{{ s|float }}{% endfor %}`,
	`{% set n = 2**13000 %}{% for i in range(99999) %}{% set m = n * 3 // 7 %}{% endfor %}`,
	`{% set n = 2**13000 %}{% for i in range(99999) %}{{ n|string|length }}{% endfor %}`,
	`{% set n = 3**8000 %}{% for i in range(99999) %}{% for j in range(99999) %}{% set m = n % 12345678901234567891 %}{% endfor %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l.insert(0, 1) %}{% set _ = l.pop(0) %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l[1:] %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l.copy() %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l|reverse %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l|unique|list %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l.reverse() %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l|join|length %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l|max %}{% endfor %}`,
	`{% set l = range(99999)|list %}{% for i in l %}{% set _ = l|groupby|list %}{% endfor %}`,
	`{{ lipsum(n=100000) }}{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}`,
	`{{ [1,2,3]|map('center', 2000000000)|list }}`,
	`{{ 1|tojson(indent=2000000000) }}`,
	`{{ 'x'|wordwrap(0) }}`,
	`{{ 5|round(2000000000) }}`,
	`{{ 5.5|round(-2000000000, 'floor') }}`,
	`{{ timedelta(days=10**30) }}`,
	`{{ now() + timedelta(days=5000000) }}`,
	`{{ now().strftime('%c' * 10000000)|length }}`,
	`{{ 'a b ' * 100000 | wordwrap(1, true, 'x' * 1000000) }}`,
	`{% for i in range(99999) %}{{ ('a ' * 10000)|wordwrap(3)|length }}{% endfor %}`,
	`{% for i in range(99999) %}{{ ('abcdefgh' * 100000)|wordwrap(3)|length }}{% endfor %}`,
	`{% for i in range(99999) %}{{ ('<a>' * 100000)|striptags|length }}{% endfor %}`,
	`{% for i in range(99999) %}{{ ('<!--' * 100000)|striptags|length }}{% endfor %}`,
	`{% for i in range(99999) %}{{ ('a ' * 100000).rsplit()|length }}{% endfor %}`,
	`{% for i in range(99999) %}{{ hmacsha512digest('k', 'x' * 1000000)|length }}{% endfor %}`,
	`{{ ` + strings.Repeat("(", 100000) + `1` + strings.Repeat(")", 100000) + ` }}`,
	`{{ ` + strings.Repeat("[", 100000) + ` }}`,
	`{{ ` + strings.Repeat("-", 100000) + `1 }}`,
	`{{ ` + strings.Repeat("not ", 100000) + `1 }}`,
	strings.Repeat("{% if 1 %}", 10000) + strings.Repeat("{% endif %}", 10000),
	`{{ ` + strings.Repeat("1 if 1 else ", 100000) + `1 }}`,
	`{{ ` + strings.Repeat("9", 100000) + ` }}`,
	`{% set ` + strings.Repeat("(", 100000) + ` %}`,
	`{{ 'x'.format(*range(10**9)) }}`,
	`{{ '{0.a.b}'.format(1) }}`,
	`{{ ('{0:' * 100000 ~ '}' * 100000).format(1) }}`,
	strings.Repeat("x", 2<<20),
}

// TestBombs wants an error for each, and soon.
func TestBombs(t *testing.T) {
	for _, src := range bombs {
		tmpl, err := Compile(src, Options{Sets: []Set{StdSet()}, Limits: Limits{Steps: 500_000}})
		if err == nil {
			_, err = tmpl.Render(t.Context(), nil)
		}
		if err == nil {
			t.Errorf("no error: %.100s", src)
		}
	}
}

func TestContextEndsRender(t *testing.T) {
	tmpl, err := Compile(`{% for i in range(1000) %}{{ stop() }}{% for j in range(90000) %}{% endfor %}{% endfor %}`, Options{
		Sets: []Set{{Funcs: map[string]*Func{"stop": NewFunc("", func(c *Call) Value { return None() })}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = tmpl.Render(ctx, nil); !errors.Is(err, ErrLimit) || !errors.Is(err, context.Canceled) {
		t.Errorf("a render whose context has ended gives %v", err)
	}
}

func TestLimitsAreTold(t *testing.T) {
	for src, want := range map[string]string{
		`{{ 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1 }}`: "more than 50 steps",
		`{{ 'x' * 20 }}`:              "longer than 10 bytes",
		`{{ 'x' * 5000 }}`:            "more than 4900 bytes of memory",
		`{{ range(101)|list }}`:       "longer than the 100",
		`{{ 2 ** 1000 }}`:             "larger than 999",
		`{{ ((((((((((1)))))))))) }}`: "deeper than 9",
		strings.Repeat("x", 401):      "more than the 400",
	} {
		tmpl, err := Compile(src, Options{Limits: Limits{Source: 400, Steps: 50, Output: 10, Memory: 4900, List: 100, Bits: 999, Depth: 9}})
		if err == nil {
			_, err = tmpl.Render(t.Context(), nil)
		}
		if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", src, err, want)
		}
	}
}
