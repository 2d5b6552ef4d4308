package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/dtl/stdlib"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

func sluiceStored(task string) (engine, error) {
	return sluiceEngine(task, entity.DecodeOptions{Stored: true})
}

func sluiceForeign(task string) (engine, error) {
	return sluiceEngine(task, entity.DecodeOptions{})
}

func sluiceEngine(task string, o entity.DecodeOptions) (engine, error) {
	p, err := compile("../testdata/perf/" + strings.ToLower(task) + ".dtl.json")
	if err != nil {
		return nil, err
	}
	run := dtl.NewRun(p, &dtl.MemHost{})
	in, out := &entity.Batch{Arena: entity.NewArena()}, &entity.Batch{}
	ctx := context.Background()
	return func(dst, line []byte) ([]byte, error) {
		in.Arena.Reset()
		v, err := entity.Decode(in.Arena, line, o)
		if err != nil {
			return nil, err
		}
		in.Entities, out.Entities = append(in.Entities[:0], v), out.Entities[:0]
		if err := run.Transform(ctx, in, out); err != nil {
			return nil, err
		}
		for _, e := range out.Entities {
			dst = entity.AppendJSON(dst, e)
		}
		return dst, nil
	}, nil
}

func compile(name string) (*dtl.Program, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	n, errs := jsonpos.Parse(name, data)
	if errs != nil {
		return nil, errs[0]
	}
	lib, err := stdlib.Lib()
	if err != nil {
		return nil, err
	}
	p, finds := dtl.CompileRules(n, dtl.Options{Lib: lib})
	if p == nil {
		return nil, fmt.Errorf("%s: %s", name, finds[0].Message)
	}
	return p, nil
}
