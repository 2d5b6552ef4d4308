package pipes

// reprocesses tells whether the pipe resets itself when it finds that it is
// out of step with what it reads.
func (p *Pipe) reprocesses() bool {
	policy := p.Def.ReprocessingPolicy
	if policy == "" {
		policy = p.global("reprocessing_policy")
	}
	return policy == "automatic"
}
