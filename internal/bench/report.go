package bench

import "time"

// Figure is one measurement, beside its baseline of the same run.
type Figure struct {
	Name     string  `json:"name"`
	Unit     string  `json:"unit"`  // "commands/s", "events/s", …
	Value    float64 `json:"value"` // more is faster
	Baseline string  `json:"baseline,omitzero"`
	Base     float64 `json:"baseline_value,omitzero"`
	Ratio    float64 `json:"ratio,omitzero"` // Value / Base
	Aim      string  `json:"aim,omitzero"`
	Met      *bool   `json:"met,omitzero"`
	// Processor time of the whole process an operation, in microseconds: what
	// it costs beside waiting for the disk. HTTP's has the client's in it.
	CPU     float64 `json:"cpu_us,omitzero"`
	BaseCPU float64 `json:"baseline_cpu_us,omitzero"`
	Note    string  `json:"note,omitzero"`
}

// Fact is something that the figures were measured on.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Report is a whole run.
type Report struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Machine Machine   `json:"machine"`
	Shape   []Fact    `json:"shape"`
	Figures []Figure  `json:"figures"`
}

// Machine is where it ran.
type Machine struct {
	Platform   string `json:"platform"`
	Go         string `json:"go"`
	Processors int    `json:"processors"`
	Directory  string `json:"directory"`
}

// against fills in the ratio, and whether an aim of at least atLeast × the
// baseline is met (0 = no such aim).
func (f Figure) against(name string, base rate, atLeast float64) Figure {
	f.Baseline, f.Base, f.BaseCPU = name, base.each, base.micros()
	if base.each > 0 {
		f.Ratio = f.Value / base.each
	}
	if atLeast > 0 {
		met := f.Ratio >= atLeast
		f.Met = &met
	}
	return f
}

// of fills in what was measured.
func (f Figure) of(r rate) Figure {
	f.Value, f.CPU = r.each, r.micros()
	return f
}

// rate is how many operations a second there were, and the processor time of
// one.
type rate struct {
	each float64
	cpu  time.Duration
}

func (r rate) micros() float64 { return float64(r.cpu.Nanoseconds()) / 1e3 }

// clock measures a run of operations.
type clock struct {
	start time.Time
	cpu   time.Duration
}

func begin() clock { return clock{time.Now(), processorTime()} }

func (c clock) rate(operations int) rate {
	n := max(operations, 1)
	return rate{
		each: float64(operations) / time.Since(c.start).Seconds(),
		cpu:  (processorTime() - c.cpu) / time.Duration(n),
	}
}
