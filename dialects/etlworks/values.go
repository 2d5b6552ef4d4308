package etlworks

import (
	"strings"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// described is a component as an event tells of it: as it was written, with what
// sounds secret masked.
func described(id string, n *jsonpos.Node) entity.Value {
	v := nodeValue(n, 0)
	if v.Kind() != entity.Dict {
		return entity.NewDict(text(entity.IDKey, id))
	}
	return v
}

// deepest is how deep a configuration is told.
const deepest = 100

// nodeValue is a piece of configuration as a value. Texts stay as they are: what
// looks like a transit tag is none here.
func nodeValue(n *jsonpos.Node, depth int) entity.Value {
	if n == nil || depth > deepest {
		return entity.Value{}
	}
	switch n.Kind {
	case jsonpos.Bool:
		return entity.NewBool(n.Bool)
	case jsonpos.Number:
		v, err := entity.DecodeString(n.Text)
		if err != nil {
			return entity.NewString(n.Text)
		}
		return v
	case jsonpos.String:
		return entity.NewString(n.Text)
	case jsonpos.Array:
		elems := make([]entity.Value, len(n.Elems))
		for i, e := range n.Elems {
			elems[i] = nodeValue(e, depth+1)
		}
		return entity.NewList(elems...)
	case jsonpos.Object:
		members := make([]entity.Member, len(n.Members))
		for i, m := range n.Members {
			members[i] = entity.Member{Key: m.Key, Value: nodeValue(m.Value, depth+1)}
			if t, isText := m.Value.Str(); isText && soundsSecret(m.Key) && !strings.Contains(t, "$SECRET(") {
				members[i].Value = entity.NewString(mask)
			}
		}
		return entity.NewDict(members...)
	default:
		return entity.Value{}
	}
}

func soundsSecret(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"password", "passwd", "secret", "token", "api_key", "apikey", "api-key", "authorization", "credential", "private_key", "connection_string"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// schedule is what a pipe's configuration says of when it runs; nil if nothing.
func schedule(c *config.Component) *jsonpos.Node {
	pump := c.Effective.Get("pump")
	var chosen []*jsonpos.Member
	timed := false
	if pump == nil || pump.Kind != jsonpos.Object {
		return nil
	}
	for _, m := range pump.Members {
		switch m.Key {
		case "schedule_interval", "cron_expression", "rescan_cron_expression", "partial_rescan_delta", "rescan_run_count", "partial_rescan_run_count":
			timed = true
			chosen = append(chosen, m)
		case "mode", "run_at_startup":
			chosen = append(chosen, m)
		}
	}
	if !timed {
		return nil
	}
	return &jsonpos.Node{Kind: jsonpos.Object, Members: chosen}
}
