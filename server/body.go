package server

import (
	"io"
	"net/http"
	"sync"

	"github.com/sluiceio/sluice/entity"
)

// intake is the memory that taking in one request needs. It serves again and
// again: what is posted is written down before it is answered.
type intake struct {
	body  []byte
	arena *entity.Arena
	batch entity.Batch
}

// keptBytes bounds the body for which an intake is kept, so that one large
// request does not hold its memory for ever.
const keptBytes = 1 << 20

// intakes are those that nobody is using.
type intakes struct{ pool sync.Pool }

func (i *intakes) get() *intake {
	if in, ok := i.pool.Get().(*intake); ok {
		return in
	}
	return &intake{arena: entity.NewArena()}
}

func (i *intakes) put(in *intake) {
	if cap(in.body) > keptBytes {
		return
	}
	in.arena.Reset()
	in.batch = entity.Batch{}
	i.pool.Put(in)
}

// read takes in a body of at most limit bytes.
func (in *intake) read(w http.ResponseWriter, r *http.Request, limit int64) error {
	in.body = in.body[:0]
	from := io.Reader(r.Body)
	if r.ContentLength < 0 || r.ContentLength > limit {
		from = http.MaxBytesReader(w, r.Body, limit)
	} else if n := int(r.ContentLength) + 1; n > cap(in.body) && n <= keptBytes {
		in.body = make([]byte, 0, n) // one more, to see the end without growing
	}
	for {
		if len(in.body) == cap(in.body) {
			in.body = append(in.body, 0)[:len(in.body)]
		}
		n, err := from.Read(in.body[len(in.body):cap(in.body)])
		in.body = in.body[:len(in.body)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
