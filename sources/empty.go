package sources

import (
	"context"
	"iter"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type emptyConfig struct {
	spec.Base
	Type    string        `spec:"type,required" doc:"empty"`
	Comment *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
}

func emptyType() Type {
	return Type{
		Name:   "empty",
		Doc:    "Has no entities.",
		Config: func() any { return new(emptyConfig) },
		Build:  func(any, Env) (Source, diag.List) { return empty{}, nil },
	}
}

type empty struct{}

// Since implements Source.
func (empty) Since() Since { return Since{false, true, true} }

// Read implements Source.
func (empty) Read(context.Context, string, int) iter.Seq2[*entity.Batch, error] {
	return func(func(*entity.Batch, error) bool) {}
}

type conditionalConfig struct {
	spec.Base
	Type         string        `spec:"type,required" doc:"conditional"`
	Comment      *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Condition    string        `spec:"condition,required" doc:"Key of the alternative to use, usually $ENV(name)."`
	Alternatives *jsonpos.Node `spec:"alternatives,required" kind:"object" doc:"Sources by the values the condition may take."`
}

func conditionalType() Type {
	return Type{
		Name:   "conditional",
		Doc:    "Chooses one of several sources when the pipe is loaded, by an environment variable.",
		Config: func() any { return new(conditionalConfig) },
		Build: func(cfg any, env Env) (Source, diag.List) {
			c := cfg.(*conditionalConfig)
			n, diags := systems.Alternative(c.Alternatives, c.Condition, c.At("condition"))
			if n == nil {
				return nil, diags
			}
			return env.Build(n)
		},
	}
}
