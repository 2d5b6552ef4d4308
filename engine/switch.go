package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/store"
)

// Switch says who switches a pump on or off, and why, for whoever asks later.
type Switch struct {
	By      string `json:"by,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// switchedOff is how a pump came to be disabled.
type switchedOff struct {
	Switch
	At time.Time `json:"at,omitzero"`
}

func enabledKey(id string) string { return "enabled/" + id }

// loadSwitch tells whether a pump was disabled, and by whom. A bare "false" is
// what earlier versions wrote.
func loadSwitch(ctx context.Context, st store.Store, id string) (disabled bool, off switchedOff, err error) {
	data, _, err := st.State(ctx, enabledKey(id))
	if err != nil || data == nil || string(data) == "true" {
		return false, off, err
	}
	if string(data) != "false" {
		if err := json.Unmarshal(data, &off); err != nil {
			return false, off, fmt.Errorf("the state %q cannot be read: %w", enabledKey(id), err)
		}
	}
	return true, off, nil
}

func saveSwitch(ctx context.Context, st store.Store, id string, enabled bool, off switchedOff) error {
	value := []byte("true")
	if !enabled {
		var err error
		if value, err = json.Marshal(off); err != nil {
			return err
		}
	}
	pending, err := st.Append(ctx, &store.Batch{State: []store.StateWrite{{Key: enabledKey(id), Value: value, IfRev: store.AnyRev}}})
	if err == nil {
		_, err = pending.Wait(ctx)
	}
	return err
}
