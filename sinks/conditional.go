package sinks

import (
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
	"github.com/sluiceio/sluice/systems"
)

type conditionalConfig struct {
	spec.Base
	Type         string        `spec:"type,required" doc:"conditional"`
	Comment      *jsonpos.Node `spec:"comment" kind:"string|array" doc:"A remark for readers of the configuration."`
	Condition    string        `spec:"condition,required" doc:"Key of the alternative to use, usually $ENV(name)."`
	Alternatives *jsonpos.Node `spec:"alternatives,required" kind:"object" doc:"Sinks by the values the condition may take."`
}

func conditionalType() Type {
	return Type{
		Name:   "conditional",
		Doc:    "Chooses one of several sinks when the pipe is loaded, by an environment variable.",
		Config: func() any { return new(conditionalConfig) },
		Build: func(cfg any, env Env) (Sink, diag.List) {
			c := cfg.(*conditionalConfig)
			n, diags := systems.Alternative(c.Alternatives, c.Condition, c.At("condition"))
			if n == nil {
				return nil, diags
			}
			return env.Build(n)
		},
	}
}
