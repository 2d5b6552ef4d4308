package pipes

import (
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// Definition is what a pipe says, with its defaults.
type Definition struct {
	spec.Base
	ID                    string           `spec:"_id,required" doc:"Id of the pipe, unique in the configuration."`
	Type                  string           `spec:"type,required" doc:"pipe"`
	Name                  string           `spec:"name" doc:"Name shown to people."`
	Description           *jsonpos.Node    `spec:"description" kind:"string|array" doc:"What the pipe is for: a text, or a list of lines."`
	Comment               *jsonpos.Node    `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Source                *jsonpos.Node    `spec:"source,required" kind:"object" doc:"Where entities come from."`
	Transform             *jsonpos.Node    `spec:"transform" kind:"object|array" doc:"What happens to them: one transform or a list."`
	Sink                  *jsonpos.Node    `spec:"sink" kind:"object" doc:"Where they go. Without it, or without a type in it: the dataset named after the pipe."`
	Pump                  Pump             `spec:"pump" doc:"When the pipe runs, and what happens when it fails."`
	BatchSize             int              `spec:"batch_size" min:"1" doc:"Source entities in a batch; usually 100. Unless it is given, a pipe from datasets into a dataset takes up to eight batches at once while much waits; what fails is taken up again batch by batch."`
	CheckpointInterval    int              `spec:"checkpoint_interval" min:"1" doc:"Batches between saves of the offset; 10000 entities unless given, each batch if batch_size is 1. Dataset sinks save it with every batch, and of a full run how far it has come in this interval."`
	DisableSetLastSeen    bool             `spec:"disable_set_last_seen" doc:"Whether the offset may not be reset or set by hand."`
	BackgroundRescan      *jsonpos.Node    `spec:"enable_background_rescan" kind:"boolean" doc:"Whether rescans run beside incremental runs."`
	RescanOnChange        *jsonpos.Node    `spec:"rescan_when_config_changes" kind:"boolean" doc:"Whether a changed configuration rescans."`
	ReprocessingPolicy    string           `spec:"reprocessing_policy" enum:"continue,automatic" doc:"Whether the pipe resets itself when its inputs were remade."`
	InferTypes            *jsonpos.Node    `spec:"infer_pipe_entity_types" kind:"boolean" doc:"Has no effect."`
	Compaction            compactionConfig `spec:"compaction" doc:"How many versions the sink's dataset keeps."`
	ExcludeCompleteness   []string         `spec:"exclude_completeness" doc:"Datasets whose completeness is not inherited."`
	IncludeCompleteness   []string         `spec:"include_completeness" doc:"Datasets whose completeness is inherited."`
	NamespacedIdentifiers *bool            `spec:"namespaced_identifiers" doc:"Whether properties and identifiers have namespaces."`
	Namespaces            namespaceConfig  `spec:"namespaces" doc:"The namespaces of identifiers and properties; by default the pipe's id."`
	AddNamespaces         *bool            `spec:"add_namespaces" doc:"Whether namespaces are added before the first transform."`
	RemoveNamespaces      *bool            `spec:"remove_namespaces" doc:"Whether namespaces are removed after the last transform."`
	SymmetricCollapse     *jsonpos.Node    `spec:"symmetric_namespace_collapse" kind:"boolean" doc:"Has no effect."`
	Tracking              trackingConfig   `spec:"dependency_tracking" doc:"Limits of dependency tracking."`
	Permissions           *jsonpos.Node    `spec:"permissions" kind:"array" doc:"Who may read, write, run and change the pipe."`
	Metadata              *jsonpos.Node    `spec:"metadata" kind:"object" doc:"Free properties for tools; $config-group, durable, tags and others are known."`
	Principals            *jsonpos.Node    `spec:"principals" kind:"array" doc:"Roles the pipe runs with, as exported configurations have them."`
}

type namespaceConfig struct {
	Identity string `spec:"identity" doc:"Namespace of _id."`
	Property string `spec:"property" doc:"Namespace of properties."`
}

// Pump is when a pipe runs and what happens when it fails.
type Pump struct {
	spec.Base
	Comment           *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Type              string        `spec:"type" doc:"The kind of pump, as exported configurations have it."`
	Interval          float64       `spec:"schedule_interval" min:"0" doc:"Seconds between runs; 30 if source and sink are datasets, else 900, give or take 5 %."`
	Cron              string        `spec:"cron_expression" doc:"When to run: minute, hour, day of month, month, day of week and perhaps year, in UTC. It goes before schedule_interval."`
	Mode              string        `spec:"mode" enum:"scheduled,manual,off" default:"scheduled" doc:"scheduled runs by itself, manual only by hand, off not at all."`
	RunAtStartup      bool          `spec:"run_at_startup" doc:"Whether the pipe also runs when the node starts."`
	RunIfNotPopulated *bool         `spec:"run_at_startup_if_not_populated" doc:"Whether the pipe also runs at start if its dataset has never been filled by a completed run."`
	RescanCount       int           `spec:"rescan_run_count" min:"1" doc:"Every how many runs a full rescan is made."`
	RescanCron        string        `spec:"rescan_cron_expression" doc:"When a full rescan is made."`
	PartialCount      int           `spec:"partial_rescan_run_count" min:"1" doc:"Every how many runs a partial rescan is made. It needs partial_rescan_delta; a full rescan that is due goes before it."`
	PartialDelta      int           `spec:"partial_rescan_delta" min:"1" doc:"How far a partial rescan goes back: so much less if the offset is a number, so many seconds before if it is a time."`
	MaxReadRetries    int           `spec:"max_read_retries" min:"0" doc:"How often a failed read is tried again."`
	ReadRetryDelay    float64       `spec:"read_retry_delay" min:"0" doc:"Seconds before a read is tried again."`
	WriteRetryDelay   float64       `spec:"write_retry_delay" min:"0" doc:"Seconds to wait after a failed write."`
	BatchRetries      int           `spec:"batch_retries" default:"3" min:"0" doc:"How often a failed batch is tried again as a whole, if batches may have more than one entity."`
	Fallback          bool          `spec:"fallback_to_single_entities_on_batch_fail" default:"true" doc:"Whether a batch that keeps failing is tried entity by entity."`
	MaxWriteErrors    int           `spec:"max_consecutive_write_errors" default:"1" min:"1" doc:"Failures in a row that stop the run. Without a retry dataset the same entity is tried until then."`
	MaxEntityRetries  int           `spec:"max_retries_per_entity" default:"5" min:"0" doc:"How often an entity that has failed is tried again in later runs before it is given up."`
	MaxRetryDataset   int           `spec:"max_write_errors_in_retry_dataset" min:"0" doc:"How many failed entities may wait for another try in a later run; 0 turns waiting off, and a failure ends the run."`
	DeadLetter        string        `spec:"dead_letter_dataset" doc:"Dataset for entities that were given up. It needs max_write_errors_in_retry_dataset, and belongs to this pipe alone."`
	UseDeadLetter     bool          `spec:"use_dead_letter_dataset" doc:"Older form of dead_letter_dataset: the dataset is system:dead-letter:<pipe>."`
	TrackDeadLetters  bool          `spec:"track_dead_letters" doc:"Whether a dead letter goes when a later version succeeds."`
	MaxSeconds        float64       `spec:"max_seconds_per_entity" min:"0" doc:"Fails a run if transforms take longer for a batch, as the average of its entities."`
	LogNoop           bool          `spec:"log_events_noop_runs" doc:"Whether runs that did nothing are logged."`
	LogNoopChanges    bool          `spec:"log_events_noop_runs_changes_only" default:"true" doc:"Whether a run without changes did nothing; otherwise one without entities."`
	Granularity       *jsonpos.Node `spec:"notification_granularity" kind:"number|boolean" doc:"Seconds after which a run is logged even if it did nothing; unless given never."`
}
