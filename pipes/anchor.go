package pipes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/sources"
)

// anchor is what the source's offsets are places in: its type, and a digest of what
// it asks for. An offset that another one gave means nothing.
func (p *Pipe) anchor() string {
	of := ""
	if s, ok := p.source.(sources.Anchored); ok {
		of = s.Anchor()
	}
	sum := sha256.Sum256([]byte(of))
	return p.sourceType() + " " + hex.EncodeToString(sum[:8])
}

// sourceType is the type of the source that is read, which a conditional one names.
func (p *Pipe) sourceType() string {
	n := p.Def.Source
	for {
		typ, _ := n.Get("type").Str()
		if typ != "conditional" {
			return typ
		}
		condition, _ := n.Get("condition").Str()
		n = n.Get("alternatives").Get(condition)
	}
}

// adrift says why the offset of a state is none of this source's, "" if it is, or if
// nobody knows.
func (p *Pipe) adrift(s state) string {
	now := p.anchor()
	if s.Anchor == "" || s.Anchor == now || s.Offset == "" && s.Full.Offset == "" {
		return ""
	}
	was, _, _ := strings.Cut(s.Anchor, " ")
	if is := p.sourceType(); was != is {
		return fmt.Sprintf("the source is of type %q now, and was of type %q", is, was)
	}
	return "the source asks for something else than it did"
}

// goesOn is where the next run continues, "" if it begins anew.
func (p *Pipe) goesOn(s state) string {
	if p.adrift(s) != "" {
		return ""
	}
	return s.Offset
}

// reanchor has a source whose offset means nothing read from its beginning: by an
// incremental run, which takes nothing for gone.
func (r *run) reanchor() {
	now := r.p.anchor()
	r.moved = r.moved || r.state.Anchor != now
	r.state.Anchor = now
	if r.drift == "" {
		return
	}
	r.state.Offset, r.state.Origin, r.state.Over = "", "", true
}
