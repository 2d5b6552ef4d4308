package local

import "time"

// pace is how the group before fared, which tells whether to wait for more
// callers before the next one. Where flushes are quick a group gathers by itself
// while the one before is synced. Where they are slow and callers come again as
// soon as they are answered, that makes two groups that take turns, and each
// caller waits for the rest of one flush and then for its own. If all come again
// in less time than a flush takes, it is better to let them, so that one serves
// them all.
type pace struct {
	flush   time.Duration // that it took
	end     time.Time     // when its callers were answered
	waiting int           // how many others waited then
	callers int           // both together
	idle    int           // how many groups are not waited for, since that was in vain
}

const (
	// slowFlush is how long a flush takes at least for which callers are awaited.
	slowFlush = 500 * time.Microsecond
	// severalCallers is how many there are at least: of few, most come when they
	// like.
	severalCallers = 8
	// longestWait bounds how long they are awaited, as the last flush does.
	longestWait = 5 * time.Millisecond
	// waitSlices is how often in that time the writer looks who has come; it begins
	// to judge after some of them.
	waitSlices, firstSlices = 16, 8
	// groupsIdle is how many groups are not waited for when it was in vain, so that
	// trying costs little.
	groupsIdle = 16
)

// awaits tells how many callers to wait for, and how long one look takes; 0 if
// there is nothing to wait for.
func (p pace) awaits() (callers int, slice time.Duration) {
	if p.flush < slowFlush || p.callers < severalCallers {
		return 0, 0
	}
	// The last few are not worth the wait: a pump may be among them.
	return min(p.callers-p.callers/8, queueLength), min(p.flush, longestWait) / waitSlices
}

// goOn tells whether those who are there now came fast enough for all to come in
// the time of a flush.
func (p pace) goOn(there int, took time.Duration) bool {
	return time.Duration(there-p.waiting)*p.flush >= time.Duration(p.callers)*took
}

// await lets callers gather behind the first of a group.
func (s *Store) await() {
	if s.pace.idle > 0 {
		s.pace.idle--
		return
	}
	want, slice := s.pace.awaits()
	for n := 0; n < waitSlices && len(s.queue)+1 < want; n++ {
		if n >= firstSlices && !s.pace.goOn(len(s.queue)+1, time.Since(s.pace.end)) {
			s.pace.idle = groupsIdle
			return
		}
		select {
		case <-time.After(slice):
		case <-s.life.stop:
			return
		}
	}
}

// answered notes that a group's callers were answered.
func (p *pace) answered(n, waiting int) {
	p.end, p.waiting, p.callers = time.Now(), waiting, n+waiting
}
