package certificate

// What the page says in words. Terms that are not known here are shown as they
// stand.

func groundSays(name string) string {
	switch name {
	case "no_longer_necessary":
		return "it is no longer necessary for what it was collected for"
	case "consent_withdrawn":
		return "the consent that it rested on is withdrawn, and nothing else allows it"
	case "objected":
		return "the person objected, and no overriding grounds are recorded"
	case "unlawful":
		return "it was processed unlawfully"
	case "legal_duty":
		return "a law requires that it is erased"
	case "child_service":
		return "it was collected from a child for an online service"
	}
	return words(name)
}

func ruleSays(name string) string {
	switch name {
	case "consent_stands":
		return "no ground to erase: the consent that it rests on stands"
	case "contract_running":
		return "no ground to erase: the contract that it serves is running"
	case "vital_interests":
		return "no ground to erase: vital interests need it"
	case "overriding_grounds":
		return "no ground to erase: documented grounds override the objection"
	case "restricted":
		return "the person asked to restrict it instead of erasing it"
	case "retention_runs":
		return "its retention has not ended yet"
	case "hold":
		return "a legal hold keeps it for claims"
	case "legal_obligation":
		return "a law requires to keep it"
	case "public_task":
		return "a public task requires to keep it"
	case "legal_claims":
		return "legal claims require to keep it"
	case "duty":
		return "a duty that the purpose declares keeps it"
	case "evidence":
		return "it shows that consent was given and withdrawn, and is kept to the end of limitation"
	}
	return words(name)
}

func guaranteeSays(name string) string {
	switch name {
	case "destroyed":
		return "destroyed: overwritten in every file that the store controls"
	case "purge_scheduled":
		return "purge scheduled: gone when the store's own schedule says"
	case "fenced":
		return "fenced: a key was not there, and is destroyed as soon as a copy of the key store that has it is opened"
	case "unknown":
		return "unknown: the store promises nothing about what it deleted"
	}
	return words(name)
}

func extentSays(d ErasedGroup) string {
	switch d.Extent {
	case Whole:
		return "everything"
	case Superseded:
		return "values that had been replaced or removed"
	case SoFar:
		return "what was recorded up to then and is not named as kept"
	}
	return list(d.Values)
}

func causeSays(name string) string {
	switch name {
	case "request":
		return "the person asked for it"
	case "decision":
		return "the controller decided it"
	case "retention":
		return "a retention period had ended"
	case "rectification":
		return "values were rectified, and the old ones go"
	case "release":
		return "a hold or a duty that had kept it ended"
	}
	return words(name)
}
