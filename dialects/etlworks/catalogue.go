package etlworks

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/internal/textdist"
)

// What happens in a node. A pipe is what Etlworks calls a flow, a system is a
// connection.
const (
	pipeCreated     = "Pipe.Created"
	pipeUpdated     = "Pipe.Updated"
	pipeDeleted     = "Pipe.Deleted"
	pipeExecuted    = "Pipe.Executed"
	pipeFailed      = "Pipe.Failed"
	pipeStopped     = "Pipe.Stopped"
	systemCreated   = "System.Created"
	systemUpdated   = "System.Updated"
	systemDeleted   = "System.Deleted"
	scheduleCreated = "Schedule.Created"
	scheduleUpdated = "Schedule.Updated"
	scheduleDeleted = "Schedule.Deleted"
	scheduleOn      = "Schedule.Enabled"
	scheduleOff     = "Schedule.Disabled"
	webhookCreated  = "Webhook.Created"
	webhookUpdated  = "Webhook.Updated"
	webhookDeleted  = "Webhook.Deleted"
	webhookOn       = "Webhook.Enabled"
	webhookOff      = "Webhook.Disabled"
	loginFailed     = "User.LoginFailed"
	configUpdated   = "Configuration.Updated"
)

// Catalogue are the names of all events there are, as Etlworks has them.
func Catalogue() []string {
	all := []string{pipeCreated, pipeUpdated, pipeDeleted, pipeExecuted, pipeFailed, pipeStopped, systemCreated, systemUpdated,
		systemDeleted, scheduleCreated, scheduleUpdated, scheduleDeleted, scheduleOn, scheduleOff, webhookCreated, webhookUpdated,
		webhookDeleted, webhookOn, webhookOff, loginFailed, configUpdated}
	for i, name := range all {
		all[i] = theirs(name)
	}
	return all
}

// never are events that Etlworks has and that happen in no node, with the reason.
func never(name string) (why string, known bool) {
	switch object, verb, _ := strings.Cut(name, "."); {
	case object == "Format":
		return "a node has no formats apart from its pipes", true
	case object == "Listener":
		return "a listener is a pipe here, whose events are Flow.*", true
	case object == "Tenant":
		return "a node has one tenant", true
	case object == "User" && slices.Contains([]string{"Created", "Updated", "Deleted", "*"}, verb):
		return "a node has no users of its own: tokens say who somebody is", true
	}
	return "", false
}

// theirs is how Etlworks calls an event, ours how the node does.
func theirs(name string) string { return renamed(name, "Pipe.", "Flow.", "System.", "Connection.") }
func ours(name string) string   { return renamed(name, "Flow.", "Pipe.", "Connection.", "System.") }

func renamed(name string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if rest, ok := strings.CutPrefix(name, pairs[i]); ok {
			return pairs[i+1] + rest
		}
	}
	return name
}

// chosen tells whether a webhook that chose those events hears of one, and by
// which name: the name follows the choice, so that whoever asks for Flow.Executed
// is not told of Pipe.Executed.
func chosen(events []string, event string) (name string, ok bool) {
	if len(events) == 0 {
		return theirs(event), true
	}
	for _, e := range events {
		prefix, all := strings.CutSuffix(e, "*")
		switch {
		case e == "*":
			return theirs(event), true
		case ours(e) == event:
			return e, true
		case all && strings.HasPrefix(event, ours(prefix)):
			return prefix + strings.TrimPrefix(event, ours(prefix)), true
		}
	}
	return "", false
}

// checkEvents returns what is wrong with a choice of events, and what will never
// come of it.
func checkEvents(events []string) (fault string, warnings []string) {
	known := []string{"*"}
	for _, name := range Catalogue() {
		object, _, _ := strings.Cut(name, ".")
		known = append(known, name, ours(name), object+".*", ours(object+".")+"*")
	}
	for _, e := range events {
		if slices.Contains(known, e) {
			continue
		}
		if why, ok := never(e); ok {
			warnings = append(warnings, e+" never happens: "+why)
			continue
		}
		fault = "there is no event \"" + printable(e) + "\""
		if near := textdist.Nearest(e, known); near != "" {
			fault += "; did you mean " + near + "?"
		}
		return fault, nil
	}
	return "", warnings
}

// printable is a text of a caller as it may stand in an answer.
func printable(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' {
			return -1
		}
		return r
	}, s), "")
}
