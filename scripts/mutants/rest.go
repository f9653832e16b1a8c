package main

// Mutants of where values lie.

// opensFeed has the feed of events open what it hands out.
func opensFeed() []edit {
	return []edit{
		{httpapi + "/events.go", `	"lethe/domain"
`, `	"lethe/domain"
	"lethe/domain/personal"
`},
		{httpapi + "/events.go", `		if out.event(eventOf(r)) != nil {
			return
		}
		if n++; n == in.Limit {
			break`, `		e := eventOf(r)
		e.Sealed = nil
		for _, p := range r.Sealed {
			v, _ := s.Keys.Open(ctx, &personal.Ref{Stream: r.Stream, EventID: r.ID, Type: r.Type, Version: r.Version, Part: p})
			text, _ := v.Reveal()
			e.Sealed = append(e.Sealed, []byte(text))
		}
		if out.event(e) != nil {
			return
		}
		if n++; n == in.Limit {
			break`},
	}
}

// pitfall8: each value says whose it is.
func pitfall8() []mutant {
	return []mutant{
		{
			8, "the person that each value says it is of: all are the stream's",
			one(encode, `		if s.Owner == "" {`, `		if s.Owner != stream {`),
			codec, "TestPitfall08TwoPeopleInOneEvent",
		},
		{
			8, "the refusal of a value that is of another stream's person",
			one(encode, `		if p.of.Owner != d.Stream && d.Stream != catalogue.Stream {`, `		if p.of.Owner == "" && d.Stream != catalogue.Stream {`),
			codec, "TestPitfall08TwoPeopleInOneEvent",
		},
		{
			8, "the rule that a person's events have no value of anybody else",
			one(stored, `personal.Slot{Field: "source.row", Group: string(domain.RecordGroup), Value: &e.Row}`,
				`personal.Slot{Owner: "household-1", Field: "source.row", Group: string(domain.RecordGroup), Value: &e.Row}`),
			codec, "TestPitfall08APersonsEventsAreTheirOwn",
		},
	}
}

// pitfall9: ciphertext at rest.
func pitfall9() []mutant {
	return []mutant{
		{
			9, "the keyed hash in the lookup: the address itself lies there",
			one(lookup, `	return full[:macSize], true`, `	_ = full
	return []byte(normal), true`),
			cli, "TestPitfall09CiphertextAtRestEverywhere",
		},
		{
			9, "the encryption and the removal of an upload",
			[]edit{
				{httpapi + "/spool.go", `		stream.XORKeyStream(buf[:n], buf[:n])
`, `		_ = stream
`},
				{httpapi + "/spool.go", `	stream.XORKeyStream(p[:n], p[:n])
`, ``},
				{httpapi + "/spool.go", `	if err := os.Remove(f.Name()); err != nil {`, `	if err := error(nil); err != nil {`},
			},
			cli, "TestPitfall09CiphertextAtRestEverywhere",
		},
	}
}

// pitfall10: a rebuilt view is as the live one, and neither has old bytes.
func pitfall10() []mutant {
	return []mutant{
		{
			10, "the markers that an erasure leaves in the live history",
			one(history, `	return mark(tx, token, []projections.Destruction{{At: e.Position, Gone: gone}})`, `	_ = gone
	return nil`),
			views, "TestPitfall10RebuildAfterErasureEqualsLive",
		},
		{
			10, "the markers that an erasure leaves in a history that is rebuilt",
			one(history, `		if err := mark(tx, token, gone); err != nil {
			return err
		}
`, `		_ = gone
`),
			views, "TestPitfall10RebuildAfterErasureEqualsLive",
		},
		{
			10, "the markers that an erasure leaves in the view of customers",
			one(customers, `		f.dirty = gone.Erase(&f.part) || f.dirty`, `		_ = f`),
			views, "TestPitfall10RebuildAfterErasureEqualsLive",
		},
		{
			10, "the overwriting of what a view deletes, by SQLite and of what SQLite leaves",
			[]edit{
				{views + "/sqlite.go", `"secure_delete(1)", "journal_mode(wal)"`, `"secure_delete(0)", "journal_mode(wal)"`},
				{views + "/sqlite.go", ` || overwrites != 1 {`, ` {`},
				{views + "/wal.go", `	if err := f.wipe(pages); err != nil {`, `	if err := f.wipe(pages[:0]); err != nil {`},
			},
			views, "TestPitfall10RebuildAfterErasureEqualsLive",
		},
		{
			10, "the cutting of a view's write-ahead log before it confirms",
			one(views+"/confirm.go", `			err = v.file.checkpoint(scrubPatience)
`, `			err = nil
`),
			views, "TestPitfall10RebuildAfterErasureEqualsLive",
		},
		{
			10, "the overwriting of what SQLite leaves, which is no row's",
			one(views+"/wal.go", `	if err := f.wipe(pages); err != nil {`, `	if err := f.wipe(pages[:0]); err != nil {`),
			views, "TestNothingDeletedIsLeftInAFile",
		},
	}
}

// pitfall11: followers hold ciphertext.
func pitfall11() []mutant {
	return []mutant{
		{
			11, "the ciphertext in the feed of events: it is opened there",
			opensFeed(),
			httpapi, "TestPitfall11EveryFollowerHoldsCiphertextOnly",
		},
		{
			11, "the destruction of keys: what followers have still opens",
			one(keyring+"/destroy.go", `		if _, err := k.applyAll(c, entries); err != nil {
			return err
		}
`, `		c.written = true
`),
			httpapi, "TestPitfall11EveryFollowerHoldsCiphertextOnly",
		},
	}
}

// pitfall13: what audits has pseudonyms.
func pitfall13() []mutant {
	return []mutant{
		{
			13, "the sealing of the row in its source: the event says it in clear",
			one("domain/subject/decide.go", `	return one(&Registered{Source: c.Source,`, `	row, _ := c.Row.Reveal()
	c.Source.Table = domain.Name(row)
	return one(&Registered{Source: c.Source,`),
			cli, "TestPitfall13AuditRowsKeepPseudonymsOnly",
		},
		{
			13, "the ciphertext in what auditors read: it is opened there",
			opensFeed(),
			cli, "TestPitfall13AuditRowsKeepPseudonymsOnly",
		},
	}
}

// pitfall23: no import brings anybody back.
func pitfall23() []mutant {
	return []mutant{
		{
			23, "the marks that an erasure leaves",
			one(finish, `		d.Marks = p.Marks
`, ``),
			importer, "TestPitfall23AnImportBringsNobodyBack/csv",
		},
		{
			23, "the question for marks before a row makes somebody",
			one(suppress, `		asked[i].suppressed = marks[i].Erased`, `		asked[i].suppressed = false`),
			importer, "TestPitfall23AnImportBringsNobodyBack/csv",
		},
		{
			23, "what tells that rows were erased of which the claims are lost",
			one("internal/ledger/rebuild.go", `		if unknown {
`, `		if unknown = false; unknown {
`),
			importer, "TestPitfall23AnErasedValueStaysOutWhenTheClaimsAreLost",
		},
		{
			23, "the question whether a value that was erased may be the row's",
			one(recall, `			if same, err = s.maybe(ctx, &b); err != nil {`, `			if _, err = s.maybe(ctx, &b); err != nil {`),
			importer, "TestPitfall23AnErasedValueStaysOutWhenTheClaimsAreLost",
		},
		{
			23, "the refusal to correct what was erased and an older ledger still has",
			one(importer+"/compare.go", `	if erased { //`, `	if erased = false; erased { //`),
			importer, "TestPitfall23AnErasedValueOfAKnownRowStaysOut",
		},
	}
}
