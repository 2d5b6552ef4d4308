package pipes

import (
	"fmt"

	"github.com/sluiceio/sluice/internal/diag"
)

// checkPump checks schedules, and says which documented settings are not built
// yet: as an error where ignoring them would be wrong.
func (p *Pipe) checkPump() diag.List {
	var finds diag.List
	pump := &p.Def.Pump
	for key, expr := range map[string]string{"cron_expression": pump.Cron, "rescan_cron_expression": pump.RescanCron} {
		if expr == "" {
			continue
		}
		if _, err := ParseCron(expr); err != nil {
			finds.Add(diag.Finding{Rule: "pump/cron", Severity: diag.Error, Span: pump.At(key), Message: err.Error(),
				Help: "minute, hour, day of month, month, day of week and perhaps a year, for example 0 6 * * MON-FRI"})
		}
	}
	later := func(key, why string, s diag.Severity) {
		if pump.Node.Get(key) != nil {
			finds.Add(diag.Finding{Rule: "pump/unsupported", Severity: s, Span: pump.At(key),
				Message: fmt.Sprintf("%q is not built yet: %s", key, why)})
		}
	}
	later("partial_rescan_run_count", "no partial rescan is made", diag.Warning)
	if pump.MaxRetryDataset > 0 {
		later("max_write_errors_in_retry_dataset", "a failed entity fails the run, which continues from there next time", diag.Warning)
	}
	later("dead_letter_dataset", "a failed entity fails the run instead", diag.Warning)
	later("use_dead_letter_dataset", "a failed entity fails the run instead", diag.Warning)
	return finds
}
