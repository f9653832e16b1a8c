package main

// Mutants of what fences and lifecycles do.

// anyKey lets a compartment whose newest key was destroyed have a new one.
func anyKey() edit {
	return edit{provision, `		keys[i].wipe()
	}
	return inserted > 0, nil`, `		if into[c] == nil {
			if into[c], err = k.insertNext(&changes{state: st}, c, standing.generation+1, standing.lifecycle); err != nil {
				return false, err
			}
			inserted++
		}
		keys[i].wipe()
	}
	return inserted > 0, nil`}
}

// pitfall1: a fence tells erased from never had.
func pitfall1() []mutant {
	return []mutant{
		{
			1, "the refusal of a first key where the newest one was destroyed",
			[]edit{anyKey()},
			keyring, "TestPitfall01EraseThenWrite",
		},
		{
			1, "the refusal of a next generation where the newest one was destroyed",
			one(next, `		if newest.fenced {
			return refuse
		}
		return renew
	})`, `		return renew
	})`),
			keyring, "TestPitfall01EraseThenWrite",
		},
		{
			1, "the fence that tells erased from never had, when a value is opened",
			one(reading, `	if fence != nil {
		return nil, personal.Erased, nil
	}
	k.alarm`, `	_ = fence
	k.alarm`),
			keyring, "TestPitfall01EraseThenWrite",
		},
		{
			1, "the wiping of a key that somebody holds when it is destroyed",
			one(keyring+"/cache.go", `			e.Value.(*cached).key.wipe() //nolint:forcetypeassert // all are
			c.remove(e)`, `			c.remove(e)`),
			keyring, "TestPitfall01EraseThenWrite",
		},
	}
}

// pitfall2: a key that was put back is not used.
func pitfall2() []mutant {
	return []mutant{
		{
			2, "the fences asked for a key that is to be inserted",
			one(provision, `	if n > 0 {
		return fmt.Errorf("inserting a key: %w", errFenced)
	}
	return nil`, `	return nil`),
			keyring, "TestPitfall02KeyThatWasPutBack",
		},
		{
			2, "the fingerprint of a key that is to be inserted: its ID alone is asked for",
			one(provision, `		args = append(args, fp[:])
	}
	list`, `		args = append(args, fp[:1])
	}
	list`),
			keyring, "TestPitfall02KeyThatWasPutBack",
		},
		{
			2, "the fences asked for a row that is there, when a value is opened",
			one(reading, `	if fence != nil {
		key.wipe()`, `	if fence != nil && false {
		key.wipe()`),
			keyring, "TestPitfall02KeyThatWasPutBack",
		},
		{
			2, "the fences asked for a row that is there, when a key is provisioned",
			one(provision, `	if n > 0 {
		return nil, nil //nolint:nilnil // fenced
	}
	return key, nil`, `	return key, nil`),
			keyring, "TestPitfall02KeyThatWasPutBack",
		},
		{
			2, "the sums of the key store's rows, compared when it is opened",
			one(keyring+"/verify.go", `		return verifyTable(ctx, tx, k.keyTable(false), st.keys)`, `		return nil`),
			keyring, "TestPitfall02KeyThatWasPutBack",
		},
	}
}

// pitfall6: a write that races an erasure leaves no key.
func pitfall6() []mutant {
	return []mutant{
		{
			6, "the row of a destroyed key, which keeps a first key out of its place",
			one(destroy, `		was, err = true, k.updateRow(&row)`,
				`		was = true
		_, err = k.writer.exec("DELETE FROM keys WHERE key_id = ?", row.id[:])`),
			keyring, "TestPitfall06ProvisioningRacesAnErasure",
		},
		{
			6, "the fence inside the transaction: it is read before, and the insertion does not mind it",
			[]edit{
				{provision, `	if err := k.group.do(ctx, job); err != nil {`, `	for _, c := range job.of {
		if row, err := k.newestRead(ctx, c); err == nil && row.fenced {
			return nil, &FencedError{Compartments: []Compartment{c}}
		}
	}
	if err := k.group.do(ctx, job); err != nil {`},
				{provision, `func (k *Keyring) newest(c Compartment)`, `func (k *Keyring) newestRead(ctx context.Context, c Compartment) (row keyRow, err error) {
	return row, row.scan(k.read.newest.QueryRowContext(ctx, c.Owner, string(c.Group)).Scan)
}

func (k *Keyring) newest(c Compartment)`},
				anyKey(),
			},
			keyring, "TestPitfall06ErasedBetweenAskingAndInserting",
		},
		{
			6, "the version of the cache: a key read before a destruction goes in after it",
			one(keyring+"/cache.go", `	if version != c.version {
		return key
	}`, ``),
			keyring, "TestPitfall06ErasedWhileItIsRead",
		},
		{
			6, "the search for keys that a write left which lost its race",
			one(finish, `		if !k.Fenced && groups[k.Compartment.Group] && `, `		if k.Fenced && groups[k.Compartment.Group] && `),
			erasure, "TestPitfall06AKeyFromAfterTheStartGoesToo",
		},
	}
}

// pitfall7: concurrent first writes have one key.
func pitfall7() []mutant {
	return []mutant{
		{
			7, "insert-if-absent: a first key replaces the one that stands",
			one(provision, `INSERT OR IGNORE INTO keys (`, `INSERT OR REPLACE INTO keys (`),
			keyring, "TestPitfall07ConcurrentFirstUse",
		},
		{
			7, "the reading of what stands: the key that was drawn is used",
			one(provision, `			if into[c], err = k.standingKey(&standing); err != nil {
				return false, err
			}
		}
		keys[i].wipe()`, `			into[c] = keys[i]
		}`),
			keyring, "TestPitfall07ConcurrentFirstUse",
		},
	}
}

// pitfall20: who comes back gets a new lifecycle.
func pitfall20() []mutant {
	return []mutant{
		{
			20, "the refusals, of the decision and of the keyring, to write to a group that was erased before an officer opens a lifecycle",
			append(one("domain/subject/decide_fields.go", `	if d.isClosed(f.Group) {
		return nil, &domain.Error{`, `	if false && d.isClosed(f.Group) {
		return nil, &domain.Error{`), anyKey()),
			erasure, "TestPitfall20TheReturningCustomer",
		},
		{
			20, "the fence below a new lifecycle: opening one takes it away",
			one(next, `	case renew:
`, `	case renew:
		if _, err := k.writer.exec("DELETE FROM fences WHERE owner = ? AND grp = ?", of.Owner, string(of.Group)); err != nil {
			return nil, err
		}
`),
			erasure, "TestPitfall20TheReturningCustomer",
		},
	}
}

// pitfall24: lost is not erased.
func pitfall24() []mutant {
	return []mutant{
		{
			24, "the refusal to make keys for a log that has events",
			one(app+"/app.go", `	return a.requireKeys()`, `	return nil`),
			app, "TestAPartThatIsMissingIsNotMadeAnew",
		},
		{
			24, "the refusal to begin a log beside the keys of another",
			one(app+"/app.go", `	if err := RequireLog(of); err != nil {
		return err
	}
`, ``),
			app, "TestAPartThatIsMissingIsNotMadeAnew",
		},
		{
			24, "the difference between lost and erased: what has no key counts as erased",
			one(reading, `	k.alarm(ctx, &k.alarms.missing, "a key is missing and was not destroyed: a key store was lost or restored too old", "key", h.KeyID.String())
	return nil, personal.KeyMissing, nil`, `	return nil, personal.Erased, nil`),
			keyring, "TestPitfall24LostKeyIsMissingNeverErased",
		},
		{
			24, "the look at what erasures had left, which a restored ledger has lost",
			one(left, `	if copied {
`, `	if copied = false; copied {
`),
			app, "TestPitfall24WhatAnErasureLeftIsLostAndNotErased",
		},
		{
			24, "what tells lost values from those that an erasure named",
			one(left, `!slices.Contains(parted.Gone, `, `parted.Gone == nil && !slices.Contains(parted.Gone, `),
			app, "TestPitfall24WhatAnErasureLeftIsLostAndNotErased",
		},
		{
			24, "the leaving out of lost values when an erasure seals again what stays",
			one("domain/subject/decide_start.go", `f.Lost || `, ``),
			"domain/subject", "TestWhatALostEventHadSealedAgain",
		},
		{
			24, "the word lost in what the door gives",
			one("internal/disclose/disclose.go", `		if held.Lost && v.State() == personal.Erased {
			v = personal.Unreadable(personal.Lost)
		}
`, ``),
			"internal/disclose", "TestPitfall24WhatARestoreLostIsNotCalledErased",
		},
		{
			24, "the alarm about a lost key",
			one(reading, `	k.alarm(ctx, &k.alarms.missing, "a key is missing and was not destroyed: a key store was lost or restored too old", "key", h.KeyID.String())
`, ``),
			keyring, "TestPitfall24LostKeyIsMissingNeverErased",
		},
		{
			24, "the key's ID: a new key in the place of a lost one stands for it",
			one(reading, `		if row.fenced || id != nil && row.id != *id {`, `		if row.fenced {`),
			keyring, "TestPitfall24LostKeyIsMissingNeverErased",
		},
		{
			24, "the lost keys in what an erasure destroys: those that only sealed values name",
			one("internal/ledger/erasekeys.go", `	for _, k := range lost {
		keys = append(keys, subject.LiveKey`, `	for _, k := range lost[:0] {
		keys = append(keys, subject.LiveKey`),
			erasure, "TestPitfall24MissingKeysAreFencedAndDestroyedWhenTheyComeBack",
		},
		{
			24, "the syncing of a key before its event",
			one(sqlite, `{"synchronous", "FULL", "2"}`, `{"synchronous", "NORMAL", "1"}`),
			keyring, "TestPragmasOfEveryConnection",
		},
	}
}
