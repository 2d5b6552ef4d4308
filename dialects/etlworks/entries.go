package etlworks

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/pipes"
)

// entry is what an entry of a pipe's execution log tells of.
func (f *feed) entry(pipe string, e entity.Value) []occurrence {
	kind, _ := entity.ID(e)
	o := occurrence{path: "flows", name: pipe, at: pipes.EventTime(e)}
	if id, own := f.own[pipe]; own {
		return webhookEntry(o, id, kind, e)
	}
	switch kind {
	case "pump-completed":
		o.event, o.entity = pipeExecuted, execution(e, "success")
		return []occurrence{o}
	case "pump-failed":
		return failure(o, e)
	case "pump-enabled", "pump-disabled":
		o.event, o.path = scheduleOn, "schedules"
		if kind == "pump-disabled" {
			o.event = scheduleOff
		}
		o.entity = withID(pipe, without(e, entity.IDKey))
		return []occurrence{o}
	}
	return nil
}

// failure is a run that came to no good end. That it ran is told in any case.
func failure(o occurrence, e entity.Value) []occurrence {
	status, event := "error", pipeFailed
	if (record{e}).text("stopped") != "" {
		status, event = "stopped", pipeStopped
	}
	o.event, o.entity = pipeExecuted, execution(e, status)
	more := o
	more.event = event
	return []occurrence{o, more}
}

// webhookEntry is what the log of a webhook's own pipe tells of: not its runs.
func webhookEntry(o occurrence, id int64, kind string, e entity.Value) []occurrence {
	switch kind {
	case "webhook-disabled":
		o.event = webhookOff
	case "webhook-enabled":
		o.event = webhookOn
	default:
		return nil
	}
	o.path, o.name, o.id = "webhooks", strconv.FormatInt(id, 10), id
	o.entity = entity.NewDict(count("id", id), text("reason", (record{e}).text("reason")), text("by", (record{e}).text("by")))
	return []occurrence{o}
}

// execution is the record of a run: how it ended, and what the log says of it but
// for data and the node's inner life.
func execution(e entity.Value, status string) entity.Value {
	kept := without(e, entity.IDKey, "event_type", "exception_entity", "traceback", "original_traceback", "node_build_info", "pump_started_location")
	return entity.NewDict(append([]entity.Member{text("status", status)}, kept.Object().Members()...)...)
}

// without is an entity without some members, and without reserved ones.
func without(e entity.Value, keys ...string) entity.Value {
	var kept []entity.Member
	for _, m := range e.Object().Members() {
		if !strings.HasPrefix(m.Key, "_") && !slices.Contains(keys, m.Key) {
			kept = append(kept, m)
		}
	}
	return entity.NewDict(kept...)
}
