package jinja

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// next are the forgeries to try after f: what comparisons taught, and f with
// something in the places it was asked for and did not have.
func (p *prober) next(f forgery) []forgery {
	next := p.learned
	if len(p.missed) > 0 && len(f) > 0 {
		more := f
		for _, at := range p.missed {
			more = more.with(at, p.values[0])
		}
		next = append(next, more)
	}
	return next
}

// compared learns from an equality: where one side is no secret, whatever of
// the request became the other side should be that.
func (p *prober) compared(a, b Value) {
	p.learn(a, b, b.s)
	p.learn(b, a, a.s)
}

// contained learns from a search for part in whole.
func (p *prober) contained(whole, part Value) {
	if !strings.HasPrefix(whole.s, part.s) {
		p.learn(whole, part, part.s+whole.s)
	}
	if !strings.HasSuffix(whole.s, part.s) {
		p.learn(whole, part, whole.s+part.s)
	}
}

// learn notes the forgeries in which got is replaced by want.
func (p *prober) learn(got, other Value, want string) {
	if other.secret() || got.secret() || got.s == "" || got.s == want || len(want) > 4096 {
		return
	}
	for _, at := range p.now.places() {
		s := p.now[at]
		switch {
		case strings.Contains(s, got.s):
			p.note(at, strings.Replace(s, got.s, want, 1))
		case strings.EqualFold(s, got.s):
			p.note(at, want)
		case base64.StdEncoding.EncodeToString([]byte(s)) == got.s:
			if b, ok := decode64(want); ok {
				p.note(at, string(b))
			}
		case hex.EncodeToString([]byte(s)) == got.s:
			if b, err := hex.DecodeString(want); err == nil {
				p.note(at, string(b))
			}
		}
	}
}

func (p *prober) note(at place, want string) {
	if len(p.learned) < 32 {
		p.learned = append(p.learned, p.now.with(at, want))
	}
}

// numbers learns from a comparison of numbers: the number itself and its
// neighbours, as text or as the length of it.
func (p *prober) numbers(a, b Value) {
	for _, side := range [...][2]Value{{a, b}, {b, a}} {
		got, other := side[0], side[1]
		if !got.isSmall() || !other.isNum() {
			continue
		}
		want := int64(other.float())
		for _, at := range p.now.places() {
			s := p.now[at]
			if n, ok := parseFloat(s); ok && int64(n) == got.n {
				for d := int64(-1); d <= 1; d++ {
					p.note(at, strconv.FormatInt(want+d, 10))
				}
			}
			if int64(len(s)) == got.n && want >= 0 && want < 4096 {
				p.note(at, strings.Repeat("k", int(want)))
				p.note(at, strings.Repeat("k", int(want)+1))
			}
		}
	}
}
