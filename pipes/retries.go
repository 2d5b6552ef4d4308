package pipes

import (
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
)

// retries is a setting of the pump for a failure: what the pump says, else what the
// system that failed says for the status it gave, else def.
func (p *Pipe) retries(key string, err error, def float64) float64 {
	if p.Def.Pump.Node.Get(key) != nil {
		return def // which is what the pump says
	}
	id, status := systems.FailedAt(err)
	if id == "" {
		id = p.System()
	}
	if v, given := p.strategy(id).Setting(key, status); given {
		return v
	}
	return def
}

// strategy is what a system says about retries.
func (p *Pipe) strategy(id string) *systems.Strategy {
	if id == "" || p.env.System == nil {
		return nil
	}
	if s, ok := p.env.System(id).(systems.Retrying); ok {
		return s.Strategy()
	}
	return nil
}

// retryDataset is how many failed entities may wait: what the pump says, else the
// most that one of the pipe's systems says.
func (p *Pipe) retryDataset() int {
	const key = "max_write_errors_in_retry_dataset"
	if p.Def.Pump.Node.Get(key) != nil {
		return p.Def.Pump.MaxRetryDataset
	}
	most := 0.0
	for _, id := range p.systemsCalled() {
		most = max(most, p.strategy(id).Most(key))
	}
	return int(most)
}

// systemsCalled are the systems that the parts of the pipe name.
func (p *Pipe) systemsCalled() (ids []string) {
	var walk func(n *jsonpos.Node)
	walk = func(n *jsonpos.Node) {
		for _, key := range []string{"system", "rest_system"} {
			if id, ok := n.Get(key).Str(); ok {
				ids = append(ids, id)
			}
		}
		if n == nil {
			return
		}
		for _, e := range n.Elems {
			walk(e)
		}
		for _, key := range []string{"transforms", "properties"} {
			if inner := n.Get(key); inner != nil {
				walk(inner)
			}
		}
	}
	walk(chosen(p.Def.Source))
	walk(p.Def.Transform)
	walk(chosen(p.Def.Sink))
	return ids
}
