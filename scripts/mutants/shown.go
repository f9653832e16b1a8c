package main

// Mutants of what is told of values.

// pitfall12: logs and errors repeat no value.
func pitfall12() []mutant {
	return []mutant{
		{
			12, "the silence of refusals: they repeat the value",
			one("domain/catalogue/canonical.go", `		return wrong("give %s", want)`, `		return wrong("%q will not do: give %s", text, want)`),
			cli, "TestPitfall12LogsAndErrors",
		},
		{
			12, "the silence of the log: a line for debugging has the value",
			one("internal/ledger/seal.go", `				rows = append(rows, keyring.LookupRow{`, `				l.log.Debug("making a person findable", "by", text)
				rows = append(rows, keyring.LookupRow{`),
			cli, "TestPitfall12LogsAndErrors",
		},
		{
			12, "the silence about malformed requests: the framework's words pass",
			[]edit{
				{httpapi + "/problem_huma.go", `import (
`, `import (
	"fmt"
`},
				{httpapi + "/problem_huma.go", `		if plain(d.Message) {`, `		if d.Message += ": " + fmt.Sprint(d.Value); true {`},
			},
			cli, "TestPitfall12LogsAndErrors",
		},
		{
			12, "the redacting type: a value prints itself",
			one(value, `func (v Value) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }`,
				`func (v Value) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(v.text)) }`),
			personal, "TestValuesDoNotLeak",
		},
		{
			12, "the redacting type: a value logs itself",
			one(value, `slog.StringValue(redacted)`, `slog.StringValue(v.text)`),
			personal, "TestValuesDoNotLeak",
		},
	}
}

// pitfall21: erased is a state.
func pitfall21() []mutant {
	return []mutant{
		{
			21, "the state of an erased value: it is an empty text",
			one(value, `	return Value{state: why}
`, `	return Value{state: Present}
`),
			personal, "TestPitfall21ErasedIsNeverEmpty",
		},
		{
			21, "the state of an erased value: it is as if there was none",
			one(value, `	return Value{state: why}
`, `	return Value{}
`),
			personal, "TestPitfall21ErasedIsNeverEmpty",
		},
		{
			21, "the state in an answer: what does not open is an empty text",
			one(httpapi+"/answer.go", `	return Value{State: v.State().String()}
`, `	return Value{State: personal.Present.String(), Text: new(string)}
`),
			httpapi, "TestPitfall21ErasedIsNeverEmptyInAnAnswer",
		},
		{
			21, "the marker in a view: NULL is no value",
			one(views+"/values.go", `		return personal.Unreadable(personal.Erased)
`, `		return personal.Value{}
`),
			views, "TestPitfall21ErasedIsNoEmptyColumn",
		},
		{
			21, "the row of an erased value in a view",
			one(views+"/values.go", `		return Part{Type: of.Name, Version: of.Version}, true
`, `		return Part{}, false
`),
			views, "TestPitfall21ErasedIsNoEmptyColumn",
		},
		{
			21, "the words in a table and in CSV: what has no text is an empty cell",
			one(cli+"/subject.go", `	return "[" + v.State + "]"`, `	return ""`),
			cli, "TestPitfall21ErasedIsToldInTablesAndCSV",
		},
	}
}
