package demodata

import "strings"

type name struct{ given, family string }

// numbers is a range of telephone numbers that nobody has.
type numbers struct {
	prefix string
	first  int
	digits int
	count  int
}

type place struct {
	country, language string
	given, family     []string
	cities            []string
	postcode          string // # is a digit, ? a letter
	landline, mobile  numbers
}

// places are where people are from. Ranges reserved for fiction: BNetzA (DE),
// ARCEP (FR), Ofcom (GB), NANPA (US: exchange 555, line 0100 to 0199), ACMA
// (AU), PTS (SE), ComReg (IE).
func places() []place {
	words := strings.Fields
	de := numbers{"+49 30 23125 ", 0, 3, 1000}
	deMobile := numbers{"+49 171 39200", 0, 2, 100}
	return []place{
		{"DE", "de", words("Jürgen Anna Günther Änne Björn Sophie Emil Käthe"), words("Müller Schäfer Weiß Großmann Öztürk Köhler Schmidt Vogt"), words("Berlin München Köln Lübeck Görlitz"), "#####", de, deMobile},
		{"AT", "de", words("Lukas Theresa Xaver Josefine"), words("Gruber Huber Wöss Steinböck"), words("Wien Graz Linz"), "####", numbers{}, numbers{}},
		{"FR", "fr", words("Zoé François Noël Hélène Jérôme Maëlle"), words("Lefèvre D’Amico Gaëtan Dupont Œuvrard Français"), words("Paris Orléans Nîmes Besançon"), "#####", numbers{"+33 1 99 00 ", 0, 4, 10000}, numbers{"+33 6 39 98 ", 0, 4, 10000}},
		{"GB", "en", words("Oliver Siobhán Harry Imogen Callum Nia"), words("O'Brien Smith-Jones MacDonald Featherstonehaugh Ng Taylor"), words("London Leeds Cardiff Glasgow"), "??# #??", numbers{"+44 20 7946 0", 0, 3, 1000}, numbers{"+44 7700 900", 0, 3, 1000}},
		{"IE", "en", words("Saoirse Pádraig Aoife Ciarán"), words("Ó'Súilleabháin Murphy Byrne Nic-Giolla"), words("Dublin Cork Galway"), "?## ????", numbers{"+353 20 91 ", 10000, 5, 10000}, numbers{}},
		{"US", "en", words("Ava Liam José Shaniqua Wei Jean-Luc"), words("Washington Nguyen García-López St.John Null Test"), words("Springfield Portland Albany"), "#####", numbers{"+1 212 555 0", 100, 3, 100}, numbers{"+1 415 555 0", 100, 3, 100}},
		{"ES", "es", words("María-José Iñaki Begoña Ángel"), words("Núñez García-Márquez Ibáñez Peña"), words("Madrid Málaga A-Coruña"), "#####", numbers{}, numbers{}},
		{"PT", "pt", words("João Conceição Inês Gonçalo"), words("Magalhães Simões D'Ávila Sá"), words("Lisboa Évora Porto"), "####-###", numbers{}, numbers{}},
		{"PL", "pl", words("Łukasz Żaneta Grzegorz Świętosława"), words("Brzęczyszczykiewicz Wójcik Źrebiec Nowak"), words("Łódź Kraków Gdańsk"), "##-###", numbers{}, numbers{}},
		{"CZ", "cs", words("Jiří Žofie Řehoř Šárka"), words("Dvořák Nováková Šťastný Příhoda"), words("Praha Brno Plzeň"), "### ##", numbers{}, numbers{}},
		{"SE", "sv", words("Åsa Björn Göran Malin"), words("Åkerström Sjöberg Lindqvist Öberg"), words("Stockholm Malmö Umeå"), "### ##", numbers{"+46 8 465 004 ", 0, 2, 100}, numbers{"+46 70 174 06 ", 5, 2, 95}},
		{"GR", "el", words("Γιώργος Ελένη Νίκος Ξανθίππη"), words("Παπαδόπουλος Αγγελίδη Ψαρράς Χατζής"), words("Αθήνα Πάτρα Χανιά"), "### ##", numbers{}, numbers{}},
		{"BG", "bg", words("Иван Цветелина Жечо Ася"), words("Петров Щерева Ъглев Юрукова"), words("София Пловдив Варна"), "####", numbers{}, numbers{}},
		{"IL", "he", words("יעל משה שרה אורי"), words("כהן לוי בן-דוד פרץ"), words("חיפה ירושלים יפו"), "#######", numbers{}, numbers{}},
		{"EG", "ar", words("محمد فاطمة أحمد ليلى"), words("حسن عبدالله السيد إبراهيم"), words("القاهرة طنطا أسوان"), "#####", numbers{}, numbers{}},
		{"JP", "ja", words("花子 太郎 さくら 健"), words("山田 佐藤 髙橋 鈴木"), words("東京 京都 札幌"), "###-####", numbers{}, numbers{}},
		{"AU", "en", words("Lachlan Matilda Jarrah Mia"), words("Nguyễn O'Shea Papadopoulos Wright"), words("Sydney Hobart Cairns"), "####", numbers{"+61 2 5550 ", 0, 4, 10000}, numbers{"+61 491 57", 0, 4, 100}},
	}
}

// oddNames are the names that break careless software: each is one that a
// person could have or that a CRM was seen to hold.
func oddNames() []name {
	return []name{
		{"", "Null"},
		{"Null", "Null"},
		{"X", "Æ"},
		{"Mary \"Polly\"", "O'Hara, Jr."},
		{" Leading", "Trailing "},
		{"O", "I"},
		{"D'Arcy-Ó'Neill", "van der 's-Gravesande"},
		{"Jose\u0301", "Nun\u0303ez"}, // combining marks
		{"José", "Nuñez"},             // the same, precomposed
		{"Wolfeschlegelsteinhausenbergerdorff", strings.Repeat("Llanfairpwllgwyngyll-", 12) + "Jones"},
		{"محمد\u200f", "الـمـهـدي"}, // a mark of direction, and tatweel
		{"שָׁלוֹם", "בֶּן־גּוּרְיוֹן"},
		{"😀 Smiley", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"},
		{"Zoë\u00a0Ann", "d’Été"}, // a no-break space
		{"Teuta", "I\u0307stanbullu"},
		{"ﬁona", "ﬂood"},                       // ligatures
		{"Ｆｕｌｌ", "Ｗｉｄｔｈ"},                      // full width
		{"<b>Bold</b>", "&amp; Söhne"},         // as a web form left it
		{"Robert'); DROP TABLE", "--"},         // as a joker left it
		{"=cmd", "+SUM(1)"},                    // as a spreadsheet reads it
		{"true", "NaN"},                        // as a parser reads it
		{"007", "1e5"},                         // as a spreadsheet keeps it
		{"Anna\tMaria", "Line\nBreak"},         // inside a quoted value
		{"a\u0300\u0316\u0327", "Z̵̢a̷l̸g̶o̴"}, // stacked marks
	}
}
