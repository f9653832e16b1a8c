package main

// Mutants of what is made of keys and values.

// pitfall14: no hash answers a dictionary.
func pitfall14() []mutant {
	return []mutant{
		{
			14, "the key of the lookup's hash: it is a plain SHA-256",
			[]edit{
				{lookup, `import (
	"context"`, `import (
	"context"
	"crypto/sha256"`},
				{
					lookup, `	full := hmacOf(&k.secrets.index, lp(lp(lp(lp(nil, "lookup"), kind), []byte{NormaliserVersion}), normal))`,
					`	full := sha256.Sum256([]byte(normal))`,
				},
			},
			cli, "TestPitfall14DictionaryOfAMillionAddresses",
		},
		{
			14, "the deletion of an erased person's rows in the lookup",
			one(forget, `	for _, f := range p.fields {
		if _, err := w.exec("DELETE FROM lookup`, `	for _, f := range p.fields[:0] {
		if _, err := w.exec("DELETE FROM lookup`),
			keyring, "TestPitfall14DictionaryWithAllLiveKeys",
		},
		{
			14, "the deletion of an erased person's import claims",
			one(forget, `	if _, err := w.exec("DELETE FROM imports WHERE token = ?", token); err != nil {
		return err
	}
`, ``),
			keyring, "TestPitfall14DictionaryWithAllLiveKeys",
		},
		{
			14, "the cutting of the lookup's write-ahead log behind an erasure",
			one(forget, `	job := &lookupJob{clear: true}`, `	job := &lookupJob{}`),
			keyring, "TestPitfall14DictionaryWithAllLiveKeys",
		},
	}
}

// pitfall15: nonces are random, and a part opens where it was sealed.
func pitfall15() []mutant {
	return []mutant{
		{
			15, "the random nonce: it follows from the place",
			[]edit{
				{"internal/part/primitives.go", `	aead, err := cipher.NewGCMWithRandomNonce(block)`, `	aead, err := withFixedNonce(block)`},
				{"internal/part/primitives.go", `func NewAEAD(`, `type fixedNonce struct{ cipher.AEAD }

func withFixedNonce(block cipher.Block) (cipher.AEAD, error) {
	aead, err := cipher.NewGCM(block)
	return fixedNonce{aead}, err
}

func (f fixedNonce) NonceSize() int { return 0 }
func (f fixedNonce) Overhead() int  { return nonceSize + tagSize }

func (f fixedNonce) Seal(dst, _, plaintext, additional []byte) []byte {
	dst = append(dst, make([]byte, nonceSize)...)
	return f.AEAD.Seal(dst, make([]byte, nonceSize), plaintext, additional)
}

func (f fixedNonce) Open(dst, _, sealed, additional []byte) ([]byte, error) {
	return f.AEAD.Open(dst, sealed[:nonceSize], sealed[nonceSize:], additional)
}

func NewAEAD(`},
			},
			keyring, "TestPitfall15NonceAndPlace",
		},
		{
			15, "the stream in what is authenticated",
			one(seal, `	dst = LP(LP(dst, h.Owner), at.Stream)`, `	dst = LP(dst, h.Owner)`),
			keyring, "TestPitfall15NonceAndPlace/other_stream",
		},
		{
			15, "the event's type in what is authenticated",
			one(seal, `	dst = LP(LP(dst, at.EventID[:]), at.Type)`, `	dst = LP(dst, at.EventID[:])`),
			keyring, "TestPitfall15NonceAndPlace/other_type",
		},
		{
			15, "the event's ID, in what is authenticated and in the derivation",
			[]edit{
				{seal, `	dst = LP(LP(dst, at.EventID[:]), at.Type)`, `	dst = LP(dst, at.Type)`},
				{seal, `	info = LP(info, eventID[:])`, `	info = LP(info, eventID[:0])`},
			},
			keyring, "TestPitfall15NonceAndPlace/other_event",
		},
		{
			15, "the field, in what is authenticated and in the derivation",
			[]edit{
				{seal, `	dst = LP(LP(LP(dst, at.Field), h.Owner), h.Group)`, `	dst = LP(LP(dst, h.Owner), h.Group)`},
				{seal, `	info = LP(LP32(info, h.Generation), h.Field)`, `	info = LP32(info, h.Generation)`},
			},
			keyring, "TestPitfall15NonceAndPlace/other_field",
		},
		{
			15, "the commitment to the key",
			one(seal, `	if len(secret) != len(Secret{}) || subtle.ConstantTimeCompare(commitment[:], h.Commitment[:]) != 1 {`,
				`	if len(secret) != len(Secret{}) || subtle.ConstantTimeCompare(commitment[:], h.Commitment[:]) > 1 {`),
			keyring, "TestPitfall15NonceAndPlace/other_commitment",
		},
	}
}

// pitfall16: rotation brings back nothing and forgets nothing.
func pitfall16() []mutant {
	return []mutant{
		{
			16, "the skipping of destroyed keys by a rotation: they get a new key",
			[]edit{
				{rotate, `return row.fenced || row.epoch >= below[bucketOf(row.c.Owner)] })`, `return row.epoch >= below[bucketOf(row.c.Owner)] })`},
				{rotate, `	key, err := k.unwrapLocal(row)
	if errors.Is(err, errDead) {
		return false, nil // moved`, `	if row.fenced {
		_, err := k.insertNext(&changes{state: st}, row.c, row.generation+1, row.lifecycle)
		return err == nil, err
	}
	key, err := k.unwrapLocal(row)
	if errors.Is(err, errDead) {
		return false, nil // moved`},
			},
			keyring, "TestPitfall16RotateAfterErasure",
		},
		{
			16, "the condition that a row has not changed since it was read: a rotation brings back what was erased meanwhile",
			one(rotate, `UPDATE keys SET epoch = ?, wrapped = ?, mac = ? WHERE owner = ? AND grp = ? AND generation = ?
		AND key_id = ? AND epoch = ? AND fenced = 0 AND mac = ?`, `UPDATE keys SET fenced = 0, epoch = ?, wrapped = ?, mac = ? WHERE owner = ? AND grp = ? AND generation = ?
		AND key_id = ? AND (1 OR epoch = ? OR mac = ?)`),
			keyring, "TestRotationSkipsWhatWasErasedMeanwhile",
		},
		{
			16, "the wrapping anew and the reading back: a rotation forgets keys that live",
			[]edit{
				{rotate, `		err := r.rewrap(ctx, page, &below)
`, `		err := ctx.Err()
`},
				{rotate, `		return k.readBack(page, &below)
`, `		return nil
`},
			},
			keyring, "TestPitfall16RotateAfterErasure",
		},
	}
}

// pitfall17: what the disk keeps is told.
func pitfall17() []mutant {
	return []mutant{
		{
			17, "the level of a store that only schedules its purge: it says destroyed",
			one(info, `		return GuaranteePurgeScheduled
`, `		return GuaranteeDestroyed
`),
			keyring, "TestPitfall17SoftDeletingStore",
		},
		{
			17, "the level of a store that nobody knows: it says destroyed",
			one(info, `		return GuaranteeUnknown
`, `		return GuaranteeDestroyed
`),
			keyring, "TestPitfall17SoftDeletingStore",
		},
		{
			17, "the keyring's level, in what the completion says of the keys",
			one(finish, `		return g
	}
	return subject.GuaranteeNone`, `		return subject.Destroyed
	}
	return subject.GuaranteeNone`),
			erasure, "TestPitfall17TheCompletionTellsTheGuarantee",
		},
		{
			17, "the time until the purge, in when epoch keys are dead",
			one(info, `		info.Dead = info.Destroyed.Add(k.opts.PurgeAfter)`, `		info.Dead = info.Destroyed`),
			keyring, "TestPitfall17SoftDeletingStore",
		},
		{
			17, "the time until the purge, in when no backup can bring back a key",
			one(info, `	return at.Add(k.opts.PurgeAfter), true`, `	return at, true`),
			keyring, "TestPitfall17SoftDeletingStore",
		},
	}
}
