package server

import "net/http"

// operations are what can be done with a pump.
func operations() []string {
	return []string{"start", "start-rescan", "stop", "enable", "disable", "update-last-seen", "set-last-seen-to-end", "reset-rescan",
		"discard-retries", "repost", "reset-tracking"}
}

// mend carries out what changes what a pump remembers.
func (s *server) mend(r *http.Request, id, operation string) error {
	switch operation {
	case "set-last-seen-to-end":
		return s.engine.SkipToEnd(r.Context(), id)
	case "discard-retries":
		_, err := s.engine.DiscardRetries(r.Context(), id)
		return err
	case "repost":
		_, err := s.engine.Repost(r.Context(), id, r.Form["entity"])
		return err
	}
	return unknownOperation(operation)
}
