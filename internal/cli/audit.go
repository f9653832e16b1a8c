package cli

type auditCmd struct {
	Replay      auditReplayCmd `cmd:"" help:"Show how a person or a purpose stood at a moment, or what changed between two, folded from the events."`
	Verify      auditVerifyCmd `cmd:"" help:"Verify the whole ledger: log, tree, checkpoints, index, keys and views."`
	Canary      auditCanaryCmd `cmd:"" help:"Search all files and tables for values that must not lie there in clear."`
	auditProofs `embed:""`
}
