package sources

import "context"

type doubtKey struct{}

// WithDoubts returns a context by which a source that is read tells heard why what it
// has read may not be all there is, though nothing has failed: then absence proves
// nothing.
func WithDoubts(ctx context.Context, heard func(why string)) context.Context {
	return context.WithValue(ctx, doubtKey{}, heard)
}

func doubt(ctx context.Context, why string) {
	if heard, ok := ctx.Value(doubtKey{}).(func(string)); ok {
		heard(why)
	}
}

// acceptIt is how a configuration says that nothing is as good as an empty list.
const acceptIt = `; if that means that there is nothing, say "if_source_empty": "accept"`

// acceptsExpressly tells whether the configuration says that a source may be empty,
// rather than leaving it open.
func (e Env) acceptsExpressly(own string) bool {
	return own == "accept" || own == "" && e.IfSourceEmpty == "accept"
}
