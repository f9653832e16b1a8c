package main

// Mutants of how keys are destroyed.

// pitfall3: a restored key store is put right.
func pitfall3() []mutant {
	return []mutant{
		{
			3, "the erasure journal's say over restored keys",
			one(recovery, `	if k.reapplied, err = k.reapply(ctx, c, got.entries); err != nil {`,
				`	if k.reapplied, err = nil, ctx.Err(); err != nil {`),
			app, "TestPitfall03RestoredKeysAreShreddedAgain",
		},
		{
			3, "the end of all entries before a compartment lives on: an earlier one opens it again",
			one(recovery, `				again = append(again, e.destroyed(&e.keys[j]))
			}
`, `				again = append(again, e.destroyed(&e.keys[j]))
			}
			if err := k.standIn(c, &e.keys[j]); err != nil {
				return nil, err
			}
`),
			app, "TestWhatWasErasedInTheEndIsNotLost",
		},
		{
			3, "the entry in the erasure journal that each destruction makes first",
			one(destroy, `		if err := k.journalAll(c, entries); err != nil {
			return err
		}
`, ``),
			app, "TestPitfall03RestoredKeysAreShreddedAgain",
		},
		{
			3, "the refusal to open keys whose erasure journal is missing",
			one(keyring+"/journallost.go", `	if k.opts.JournalLost == nil {
		return nil, ErrJournalMissing
	}`, `	if k.opts.JournalLost == nil {
		return nil, nil
	}`),
			app, "TestPitfall03RestoredKeysAreShreddedAgain",
		},
		{
			3, "the new key of what the log says is open, above restored ones that are destroyed again",
			one(app+"/reconcile.go", `		err = a.reopenAll(ctx, touched)`, `		err = a.reopenAll(ctx, touched[:0])`),
			app, "TestRestoredKeysAreAsOpenAsTheLogSays",
		},
		{
			3, "the order in which a lookup is made again only when nobody's keys are back",
			[]edit{
				{app + "/app.go", `	if err := a.rebuildLookup(ctx); err != nil {
		return nil, err
	}
`, ``},
				{app + "/app.go", `	if err := a.recordRestart(ctx); err != nil {`, `	if err := errors.Join(a.rebuildLookup(ctx), a.recordRestart(ctx)); err != nil {`},
			},
			app, "TestAJournalThatIsLostWithTheKeysIsBegunAnew",
		},
		{
			3, "the log's say over restored keys, where the journal was restored with them",
			one(app+"/reconcile.go", `	touched, err := a.byLog(ctx, again)`, `	touched, err := []domain.Token(nil), ctx.Err()`),
			app, "TestTheLogKnowsWhatTheJournalLost",
		},
	}
}

// declared are mutants of pitfall 3 as well: a journal that somebody declares lost.
func declared() []mutant {
	return []mutant{
		{
			3, "the refusal of a declaration that the journal is lost, where the ledger came back from an older copy",
			one(app+"/journal.go", `	if back || uint64(stats.Head) < mark {`, `	if false && back {`),
			app, "TestNoDeclarationForARestoredLedger",
		},
		{
			3, "the refusal of such a declaration, where the keys have seen more of the log than there is",
			one(app+"/journal.go", `	if back || uint64(stats.Head) < mark {`, `	if back {`),
			app, "TestNoDeclarationForAnOlderImageOfTheLedger",
		},
		{
			3, "the refusal of such a declaration, where the ledger was restored after the keys had been backed up",
			one(app+"/journal.go", `		if rec.Type == "LogRestarted" && `, `		if false && rec.Type == "LogRestarted" && `),
			app, "TestKeysOfBeforeARestartAreRefused",
		},
		{
			3, "the refusal of a declaration that the keys are current, where they are seen not to be",
			one(keyring+"/journallost.go", `		if copied.after(&c.journal) {`, `		if false && copied.after(&c.journal) {`),
			app, "TestNoDeclarationForCopiedKeys",
		},
		{
			3, "what the keys know of erasures that the log may not know, when they were declared current",
			one(app+"/reconcile.go", `	if copied || declared {`, `	if copied || declared && false {`),
			app, "TestAJournalThatIsLostWithTheLedgerIsBegunAnewFromTheKeys",
		},
		{
			3, "the mark that keys came from a backup, whatever is declared of them",
			one(app+"/journal.go", `			if restored {`, `			if restored && false {`),
			app, "TestNoDeclarationForRestoredKeys",
		},
	}
}

// pitfall4: other programs do not go on with what they have in memory.
func pitfall4() []mutant {
	return []mutant{
		{
			4, "the emptying of the cache when another program destroyed keys",
			one(reading, `	if k.known.Swap(st.fenceSeq) != st.fenceSeq {
		k.cache.flush()
	}`, `	k.known.Store(st.fenceSeq)`),
			erasure, "TestPitfall04CachesOfOtherPrograms",
		},
		{
			4, "the bound on how long the key store is not asked again",
			one(reading, `	return age >= 0 && age < freshness`, `	return age >= 0 && age < 600*freshness`),
			erasure, "TestPitfall04CachesOfOtherPrograms",
		},
		{
			4, "the wait between the destruction and its completion",
			one(finish, `	if err := p.settle(ctx); err != nil {
		return 0, err
	}
`, ``),
			erasure, "TestPitfall04CachesOfOtherPrograms",
		},
	}
}

// pitfall5: a crash at any step comes to the same end.
func pitfall5() []mutant {
	return []mutant{
		{
			5, "the going on with erasures that were started before",
			one(process, `p.finish(ctx, union(began, open))`, `p.finish(ctx, union(began, open[:0]))`),
			erasure, "TestPitfall05KilledAtEveryStep",
		},
		{
			5, "the answer from its fence about a key that is destroyed already",
			one(keyring+"/destroy.go", `		fence, err := k.fenceByID(info.ID)
		return fence, nil, err`, `		_, err := k.fenceByID(info.ID)
		return nil, nil, err`),
			erasure, "TestPitfall05KilledAtEveryStep",
		},
		{
			5, "the order of linked records, and the wait for them",
			[]edit{
				{finish, `[][]Item{linked, main}`, `[][]Item{main, linked}`},
				{finish, `			return false, nil
		}
	}
	return true, nil`, `		}
	}
	return true, nil`},
			},
			erasure, "TestPitfall05KilledAtEveryStep",
		},
		{
			5, "the journal's say over a destruction that was cut off",
			one(recovery, `	if k.reapplied, err = k.reapply(ctx, c, got.entries); err != nil {`,
				`	if k.reapplied, err = nil, ctx.Err(); err != nil {`),
			keyring, "TestDestroyKilledAtEveryStep",
		},
	}
}

// pitfall18: incomplete is not reported as done.
func pitfall18() []mutant {
	return []mutant{
		{
			18, "the wait for every place: one that does not answer is passed over",
			one(finish, `			return nil, fmt.Errorf("waiting for every place to confirm: %w", err)`, `			continue`),
			erasure, "TestPitfall18PartialSuccessIsNotReportedAsDone",
		},
		{
			18, "the difference between destroyed and cleared: keys whose bytes a file may still have count as gone",
			one(finish, `	case err == nil:
		for i := range work {`, `	case err == nil || errors.As(err, &incomplete):
		for i := range work {`),
			erasure, "TestPitfall18BytesLeftInAFileAreNotDestroyed",
		},
	}
}

// pitfall19: holds, and their release.
func pitfall19() []mutant {
	return []mutant{
		{
			19, "holds, when an erasure is weighed",
			one(weigh, `	for _, h := range s.holdsOn(g) {
		return`, `	for _, h := range s.holdsOn(g)[:0] {
		return`),
			erasure, "TestPitfall19AHoldIsHonouredAndReleased",
		},
		{
			19, "holds for a group of people, when an erasure is weighed and before anything is destroyed",
			[]edit{
				{ledgers, `	if env.Outside, err = l.groupHolds(ctx, token, linked); err != nil {
		return env, unavailable(err)
	}
`, ``},
				{ledgers, `	if err := l.copyHolds(ctx, req.Principal, token, id); err != nil {
		return Outcome{}, err
	}
`, ``},
				{ledgers, `			if ok && placed.Position <`, `			if false && ok && placed.Position <`},
			},
			erasure, "TestPitfall19AHoldForManyPeopleIsHonouredAndReleased",
		},
		{
			19, "the person's wish by a linked record that the data be kept, when an erasure is weighed",
			one(ledgers, `		env.Restricted = env.Restricted || s.AsksToKeep()
`, ``),
			erasure, "TestPitfall19AWishToKeepBindsAllRecords",
		},
		{
			19, "the end of a hold's say over another record with the link between them",
			one("internal/ledger/together.go", `		if there {
			together`, `		if there || true {
			together`),
			erasure, "TestAHoldDoesNotBindWhenTheLinkIsGone",
		},
		{
			19, "the order of what a hold had kept, when it is released",
			one(start, `	for _, w := range s.Waiting() {`, `	for _, w := range s.Waiting()[:0] {`),
			erasure, "TestPitfall19AHoldIsHonouredAndReleased",
		},
		{
			19, "the wait for an officer where holds may be among what a restored log lost",
			one(ledgers, `	if n := state.LostRange(l.Now()); n > 0 {`, `	if n := state.LostRange(l.Now()); n > 0 && false {`),
			erasure, "TestPitfall19NothingStartsWhileHoldsMayBeLost",
		},
		{
			19, "the follower that orders it as soon as a hold is released",
			one(app+"/follow.go", `		{Name: "releases", Wants: ofType("HoldReleased", "RestrictionLifted", "LinkUndone", "ErasureCompleted", "ErasureStopped"), Handle: a.requeue},
`, ``),
			app, "TestPitfall19AReleaseOrdersWhatWasKept",
		},
	}
}

// pitfall22: no destroyed key is in a file.
func pitfall22() []mutant {
	return []mutant{
		{
			22, "the overwriting of what is deleted",
			one(sqlite, `{"secure_delete", "ON", "1"}`, `{"secure_delete", "OFF", "0"}`),
			keyring, "TestPitfall22DestroyedKeyIsInNoFile",
		},
		{
			22, "the cutting of the write-ahead log behind a destruction",
			one(destroy, `errors.Join(forgotten, k.clearLog(), k.passed("cleared"))`, `errors.Join(forgotten, k.passed("cleared"))`),
			keyring, "TestPitfall22DestroyedKeyIsInNoFile",
		},
		{
			22, "the emptying of a destroyed key's row",
			one(destroy, `row.fenced, row.wrapped, row.epoch = true, []byte{}, 0`, `row.fenced, row.epoch = true, 0`),
			keyring, "TestPitfall22DestroyedKeyIsInNoFile",
		},
	}
}
