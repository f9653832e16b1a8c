package certificate

func german() *phrases {
	return &phrases{
		language: "de", title: "Löschung Ihrer personenbezogenen Daten",
		opened: map[string]string{
			"request":       "Am %s haben Sie uns gebeten, personenbezogene Daten über Sie zu löschen. Dieses Schreiben sagt, was geschehen ist.",
			"decision":      "Am %s haben wir entschieden, personenbezogene Daten über Sie zu löschen. Dieses Schreiben sagt, was geschehen ist.",
			"retention":     "Die Zeit, für die wir einige personenbezogene Daten über Sie aufbewahren dürfen, ist abgelaufen. Am %s haben wir begonnen, sie zu löschen. Dieses Schreiben sagt, was geschehen ist.",
			"rectification": "Personenbezogene Daten über Sie wurden berichtigt. Am %s haben wir begonnen, die ersetzten Angaben zu löschen. Dieses Schreiben sagt, was geschehen ist.",
			"release":       "Einige personenbezogene Daten über Sie mussten aufbewahrt werden; der Grund dafür ist entfallen. Am %s haben wir begonnen, sie zu löschen. Dieses Schreiben sagt, was geschehen ist.",
		},
		openedFor: "Am %s wurden wir für Sie gebeten, personenbezogene Daten über Sie zu löschen. Dieses Schreiben sagt, was geschehen ist.",
		nothing:   "Wir haben es zweimal geprüft. Aus den folgenden Gründen darf davon derzeit nichts gelöscht werden.",

		erasedTitle: "Was gelöscht wurde", superseded: "frühere, ersetzte Angaben aus %s",
		single: "einzelne Angaben aus %s", left: "Andere Angaben daraus bleiben (%s).",
		destroyed:   "Diese Daten waren verschlüsselt gespeichert. Bis zum %s haben wir die Schlüssel, ohne die sie nicht lesbar sind, in allen Kopien vernichtet, über die wir verfügen.",
		deleted:     "Diese Daten waren verschlüsselt gespeichert. Bis zum %s haben wir die Schlüssel gelöscht, ohne die sie nicht lesbar sind. Eine Stelle, die sie aufbewahrte, entfernt Gelöschtes erst nach ihrem eigenen Zeitplan.",
		fenced:      "Diese Daten waren verschlüsselt gespeichert. Bis zum %s haben wir die Schlüssel vernichtet, ohne die sie nicht lesbar sind, soweit sie vorhanden waren. Die uns verloren gegangenen sind gesperrt: Findet sich eine Kopie von ihnen, werden sie vernichtet, bevor etwas verwendet wird.",
		deadFrom:    "Ab dem %s kann keine unserer Sicherungskopien sie wieder lesbar machen. Wird vorher eine ältere wiederhergestellt, werden die Schlüssel erneut vernichtet, bevor etwas verwendet wird.",
		deadUnknown: "Den Tag, ab dem keine unserer Sicherungskopien sie wieder lesbar machen könnte, können wir noch nicht nennen. Wird eine wiederhergestellt, werden die Schlüssel erneut vernichtet, bevor etwas verwendet wird.",

		keptTitle: "Was bleibt, warum und bis wann", kept: "Die folgenden Daten über Sie bleiben vorerst:",
		keptNothing:  "Von dem, was gelöscht werden sollte, bleibt nichts.",
		others:       "Daten über Sie, um die es bei dieser Löschung nicht ging, sind davon nicht berührt.",
		keptFacts:    "Außerdem halten wir ohne Ihren Namen und Ihre Anschrift fest, dass und wann all dies geschehen ist, damit wir darüber Rechenschaft ablegen können.",
		keptFor:      "Sie werden für den Zweck „%s“ aufbewahrt und für keinen anderen verwendet.",
		rest:         "das Übrige aus %s",
		keptIn:       "Der Zweck ist „%s“.",
		until:        "Sie bleiben bis zum %s.",
		untilUnknown: "Sie bleiben, solange dieser Grund besteht.",

		alsoTitle: "Was sonst noch folgt",
		withdrawn: "Alle Einwilligungen, die Sie uns gegeben hatten, sind widerrufen.",
		objected:  "Ihr Widerspruch gegen Direktwerbung ist vermerkt. Wir verwenden Ihre Daten nicht dafür.",
		marks:     "Damit Ihre Daten nicht versehentlich erneut aufgenommen werden, behalten wir Prüfzeichen davon. Ihre Daten sind daraus nicht lesbar.",

		givenTitle: "Wer Ihre Daten erhalten hatte", given: "Was gelöscht wurde, war nach unseren Aufzeichnungen zuvor weitergegeben worden:",
		givenNobody: "Nach unseren Aufzeichnungen war das, was gelöscht wurde, an niemanden außerhalb weitergegeben worden.",
		givenItem:   "%s: %s, zuletzt am %s", somebody: "eine Stelle, die unsere Aufzeichnungen nicht nennen",
		givenAfter: "Was diese Stellen haben, ist damit nicht gelöscht. Sie können sich an sie wenden, und an uns, wenn Sie mehr darüber wissen möchten.",

		article: "Artikel %s DSGVO", paragraph: "Abs.", letter: "lit.",
		complainTitle: "Wenn Sie nicht einverstanden sind",
		complainGDPR: []string{
			"Sie können uns schreiben. Sie können sich auch bei einer Datenschutz-Aufsichtsbehörde beschweren, insbesondere dort, wo Sie wohnen, wo Sie arbeiten oder wo Ihrer Ansicht nach das Recht verletzt wurde (Artikel 77 DSGVO).",
			"Unabhängig davon können Sie vor Gericht gehen (Artikel 79 DSGVO).",
		},
		complain:     []string{"Sie können uns schreiben. Sie können sich auch bei der Behörde beschweren, die dort, wo Sie wohnen, den Datenschutz überwacht, und vor Gericht gehen."},
		contactTitle: "So erreichen Sie uns", officer: "Datenschutzbeauftragte Person",

		grounds: map[string]string{
			"no_longer_necessary": "sie sind für das, wofür sie erhoben wurden, nicht mehr notwendig",
			"consent_withdrawn":   "die Einwilligung, auf der sie beruhten, ist widerrufen, und nichts anderes erlaubt uns, sie zu behalten",
			"objected":            "Sie haben widersprochen, und nichts wiegt schwerer",
			"unlawful":            "sie hätten nicht verarbeitet werden dürfen",
			"legal_duty":          "das Gesetz verlangt, dass sie gelöscht werden",
			"child_service":       "sie wurden für einen Online-Dienst erhoben, als Sie ein Kind waren",
		},
		rules: map[string]string{
			"consent_stands":     "es besteht kein Grund zur Löschung: Ihre Einwilligung in die Verwendung besteht",
			"contract_running":   "es besteht kein Grund zur Löschung: der Vertrag mit Ihnen, der sie braucht, läuft",
			"vital_interests":    "es besteht kein Grund zur Löschung: lebenswichtige Interessen brauchen sie",
			"overriding_grounds": "es besteht kein Grund zur Löschung: dokumentierte Gründe überwiegen Ihren Widerspruch",
			"restricted":         "Sie haben uns gebeten, die Verwendung einzuschränken, statt zu löschen",
			"retention_runs":     "die Zeit, für die wir sie aufbewahren, ist noch nicht abgelaufen",
			"hold":               "sie werden zur Geltendmachung, Ausübung oder Verteidigung von Rechtsansprüchen gebraucht",
			"legal_obligation":   "das Gesetz verpflichtet uns, sie aufzubewahren",
			"public_task":        "eine Aufgabe im öffentlichen Interesse verpflichtet uns, sie aufzubewahren",
			"legal_claims":       "sie werden zur Geltendmachung, Ausübung oder Verteidigung von Rechtsansprüchen gebraucht",
			"duty":               "eine Pflicht verlangt, dass wir sie aufbewahren",
			"evidence":           "sie zeigen, dass und wann Sie eingewilligt und widerrufen haben, und können bis zur Verjährung von Ansprüchen gebraucht werden",
		},
		groups: map[string]string{"evidence": "Nachweise Ihrer Entscheidungen", "record": "Angaben zur Herkunft Ihres Datensatzes"},
		months: [12]string{
			"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember",
		},
		dateForm: "%d. %s %d",
	}
}
