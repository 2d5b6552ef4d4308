package server

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// byIDs looks an entity up by one of its $ids, where a dataset has that index.
// A namespaced identifier may be written with its tag or without.
func (s *server) byIDs(r *http.Request, dataset, id string) (found []entity.Value, err error) {
	st := s.engine.Store()
	info, err := st.Info(r.Context(), dataset)
	if err != nil {
		return nil, err
	}
	keys := [][]byte{dtl.AppendKey(nil, entity.NewString(id)), dtl.AppendKey(nil, entity.NewNI(strings.TrimPrefix(id, "~:")))}
	for _, name := range info.Indexes {
		if name != `"_S.$ids"` && !strings.HasPrefix(name, `"_S.$ids" in `) {
			continue
		}
		err = st.Find(r.Context(), dataset, name, keys, entity.NewArena(), func(_ int, e entity.Value) bool {
			found = append(found, e)
			return false
		})
		if err != nil && !errors.Is(err, store.ErrNoIndex) || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}
