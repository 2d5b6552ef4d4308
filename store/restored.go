package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// RestoredKey is the state in which a store says that it was made from a
// backup.
const RestoredKey = "store/restored"

// Restored is what a store that was made from a backup held then.
type Restored struct {
	// UUID is made anew with every restore.
	UUID string `json:"uuid"`
	// Last are the newest versions of the datasets, by generation.
	Last map[string]Offset `json:"last"`
}

// RestoredFrom returns what a store held when it was made from a backup; nil if
// it was not.
func RestoredFrom(ctx context.Context, st Store) (*Restored, error) {
	data, _, err := st.State(ctx, RestoredKey)
	if err != nil || data == nil {
		return nil, err
	}
	r := &Restored{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("what the restored backup held cannot be read: %w", err)
	}
	return r, nil
}
