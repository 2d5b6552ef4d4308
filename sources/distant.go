package sources

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
)

// Distant is the ability of sources that read a dataset of another node, which
// may be made anew, or restored from a backup, without anybody here noticing.
type Distant interface {
	// ReadFrom is Read for a reader who knows what it has read up to since: was
	// is the ID of the Origin it met then, "" if it has met none. Met is called
	// before the first batch. If the origin is another than was, or becomes
	// another on the way, the sequence ends with ErrRemade: everything has to be
	// read again, and what does not come then is gone.
	ReadFrom(ctx context.Context, since string, size int, was string, met func(Origin)) iter.Seq2[*entity.Batch, error]
}

// Origin is which incarnation of a dataset somebody else offers.
type Origin struct {
	// ID is another one whenever an old offset means nothing any more, and when
	// the dataset becomes a complete view of its source; "" if nobody says.
	ID string
	// Log is another one whenever an old offset means nothing any more; "" if
	// nobody says.
	Log string
	// Unpopulated tells that it is no complete view yet: what is not in it may
	// come.
	Unpopulated bool
	// Filtered tells that not everything is shown, so that its last may never be.
	Filtered bool
	// Last is the greatest offset there is, if Bounded.
	Last    int64
	Bounded bool
}

// Afar is the ability of sources that another node can tell when it has something
// new.
type Afar interface {
	// Afar tells whether it is to be asked to.
	Afar() bool
	// AskToBeCalled has the node post the token to hook whenever there is something
	// behind since.
	AskToBeCalled(ctx context.Context, hook, token, since string) error
}

// ErrRemade is a source that is no longer what was read before.
var ErrRemade = errors.New("what the source reads was made anew, restored from a backup or completed since it was read last; everything is read again")

// originOf reads the headers of the JSON pull protocol.
func originOf(h http.Header) Origin {
	o := Origin{ID: h.Get("X-Dataset-Generation"), Filtered: strings.EqualFold(h.Get("X-Dataset-Filtered"), "true")}
	if restored := h.Get("X-Dataset-Restore-Uuid"); restored != "" {
		o.ID += "/" + restored
	}
	o.Log = o.ID
	if populated, err := strconv.ParseBool(strings.ToLower(h.Get("X-Dataset-Populated"))); err == nil && !populated {
		o.Unpopulated = true
		o.ID += " unpopulated"
	}
	if last, err := strconv.ParseInt(h.Get("X-Dataset-Max-Updated"), 10, 64); err == nil {
		o.Last, o.Bounded = last, true
	}
	return o
}

// follows tells whether somebody who has read up to since from was can go on
// here. An offset behind the end is of a log that was longer once.
func (o Origin) follows(was, since string) bool {
	at, err := strconv.ParseInt(since, 10, 64)
	behind := err == nil && o.Bounded && at > o.Last
	return (was == "" || was == o.ID) && !behind
}
