package pipes

import (
	"context"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

// Letters is the dataset for entities that were given up, "" if there is none.
func (p *Pipe) Letters() string {
	switch pump := &p.Def.Pump; {
	case !p.keepsFailed():
		return ""
	case pump.DeadLetter != "":
		return pump.DeadLetter
	case pump.UseDeadLetter:
		return "system:dead-letter:" + p.ID()
	}
	return ""
}

// loadQueue makes the datasets for failed entities. That of dead letters is
// always a complete view of them.
func (p *Pipe) loadQueue(ctx context.Context) error {
	if !p.keepsFailed() {
		return nil
	}
	if _, err := p.env.Store.Create(ctx, RetryDataset(p.ID())); err != nil {
		return err
	}
	name := p.Letters()
	if name == "" {
		return nil
	}
	info, err := p.env.Store.Create(ctx, name)
	if err == nil && !info.Populated {
		_, err = commit(ctx, p.env.Store, &store.Batch{Populate: []string{name}})
	}
	return err
}

// errorEvent is what the execution log holds of a failed entity.
func (p *Pipe) errorEvent(f failure, more ...entity.Member) []entity.Member {
	return append([]entity.Member{text(entity.IDKey, "write-error:"+f.key), text("event_type", "write-error"), text("pipe", p.ID()),
		instant("event_time", p.env.Now()), count("retry_attempts", f.attempts)}, more...)
}

func (p *Pipe) failedEvent(f failure, cause error) []entity.Member {
	return p.errorEvent(f, append([]entity.Member{flag("retryable", !f.dead), flag("resolved", false), flag("dead", f.dead),
		count("error_code", errorCode(cause)), {Key: "entity", Value: f.entity}}, traces(cause)...)...)
}

// writeError records that an entity has failed.
func (p *Pipe) writeError(f failure, cause error) entity.Value {
	return eventOf(p.failedEvent(f, cause))
}

// letter is an entity that was given up, with all that is known of it, under
// the entity's own id. It is whole, however large.
func (p *Pipe) letter(f failure, cause error) entity.Value {
	members := p.failedEvent(f, cause)
	members[0] = text(entity.IDKey, f.key)
	return entity.NewDict(members...)
}

func (p *Pipe) resolvedEvent(f failure, by entity.Value) []entity.Member {
	members := p.errorEvent(f, flag("retryable", false), flag("resolved", true), flag("dead", f.dead), entity.Member{Key: "entity", Value: f.entity})
	if f.hash != hashOf(by) {
		members = append(members, entity.Member{Key: "resolved_entity", Value: by})
	}
	return members
}

// resolvedError records that an entity that had failed has been delivered, or a
// later version of it.
func (p *Pipe) resolvedError(f failure, by entity.Value) entity.Value {
	return eventOf(p.resolvedEvent(f, by))
}

// resolvedLetter deletes a dead letter, saying why.
func (p *Pipe) resolvedLetter(f failure, by entity.Value) entity.Value {
	members := p.resolvedEvent(f, by)
	members[0] = text(entity.IDKey, f.key)
	return entity.NewDict(append(members, flag(entity.DeletedKey, true))...)
}

// goneError records that an entity that had failed will not be tried again,
// since its source does not have it any more.
func (p *Pipe) goneError(f failure) entity.Value {
	return eventOf(p.errorEvent(f, flag("retryable", false), flag("resolved", false), flag("dead", false),
		entity.Member{Key: "entity", Value: f.entity}))
}

// validLetters tells whether a name may be given to a dataset of dead letters.
func validLetters(name string) bool {
	return !strings.Contains(name, "/") && !strings.HasPrefix(name, "system:")
}
