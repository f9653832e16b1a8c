package starter

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
)

type controller struct {
	ID               domain.Name
	Country          domain.Place
	JointControllers []domain.Name `yaml:"joint_controllers"`
	Processors       []domain.Name
	Name             string
	Address          string
	Contact          string
	Email            string
	Phone            string
	Officer          string
	PolicyURL        string `yaml:"policy_url"`
	Withdrawal       string
}

type recipient struct {
	ID             domain.Name
	Kind           catalogue.RecipientKind
	Country        domain.Place
	Safeguard      catalogue.Safeguard
	ContractReview moment `yaml:"contract_review"`
	Name           string
	Contact        string
}

type field struct {
	ID          domain.Name
	Type        catalogue.FieldType
	Group       domain.Name
	Category    domain.Term
	Special     bool
	Criminal    bool
	Many        bool
	Enumeration []domain.Name
	Currency    domain.Currency
	Lookup      catalogue.LookupKind
}

type purpose struct {
	ID             domain.Name
	Controllers    []domain.Name
	Basis          domain.Basis
	Article9       catalogue.Article9 `yaml:"article_9"`
	Article10      bool               `yaml:"article_10"`
	Exemption      catalogue.Exemption
	Fields         []domain.Name
	Optional       []domain.Name
	Retention      domain.Duration
	RetentionStart catalogue.RetentionStart `yaml:"retention_start"`
	Recipients     []domain.Name
	ThirdCountries []domain.Place `yaml:"third_countries"`
	Review         domain.Duration
	Validity       domain.Duration
	Explicit       bool
	DoubleOptIn    bool `yaml:"double_opt_in"`
	Marketing      bool
	SoftOptIn      bool `yaml:"soft_opt_in"`
	Online         bool
	DPV            domain.Term
	Fideslang      domain.Term
	Keeps          bool
	InForce        moment `yaml:"in_force"`
	Material       *bool
}

type notice struct {
	ID       domain.Name
	Version  uint32
	Purposes []string
	From     moment
	Texts    map[domain.Language]string
}

// sealed is the absent value when there is no text.
func sealed(text string) personal.Value {
	if text == "" {
		return personal.Value{}
	}
	return personal.Of(text)
}

func (c controller) command() catalogue.DeclareController {
	return catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
		ID: c.ID, Country: c.Country, JointControllers: c.JointControllers, Processors: c.Processors,
		Name: sealed(c.Name), Address: sealed(c.Address), Contact: sealed(c.Contact), Email: sealed(c.Email),
		Phone: sealed(c.Phone), Officer: sealed(c.Officer), PolicyURL: sealed(c.PolicyURL), Withdrawal: sealed(c.Withdrawal),
	}}
}

func (r recipient) command() catalogue.DeclareRecipient {
	return catalogue.DeclareRecipient{RecipientDeclared: catalogue.RecipientDeclared{
		ID: r.ID, Kind: r.Kind, Country: r.Country, Safeguard: r.Safeguard, ContractReview: r.ContractReview.Time,
		Name: sealed(r.Name), Contact: sealed(r.Contact),
	}}
}

func (f field) command() catalogue.DeclareField {
	return catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{
		ID: f.ID, Group: f.Group, Type: f.Type, Category: f.Category, Special: f.Special, Criminal: f.Criminal,
		Many: f.Many, Enumeration: f.Enumeration, Currency: f.Currency, Lookup: f.Lookup,
	}}
}

func (p purpose) command() catalogue.DeclarePurpose {
	change := catalogue.Computed
	if p.Material != nil {
		change = catalogue.NotMaterial
		if *p.Material {
			change = catalogue.Material
		}
	}
	return catalogue.DeclarePurpose{Change: change, PurposeDeclared: catalogue.PurposeDeclared{
		ID: p.ID, Controllers: p.Controllers, Basis: p.Basis, Article9: p.Article9, Article10: p.Article10,
		Exemption: p.Exemption, Fields: p.Fields, Optional: p.Optional, Retention: p.Retention,
		RetentionStart: p.RetentionStart, Recipients: p.Recipients, ThirdCountries: p.ThirdCountries,
		Review: p.Review, Validity: p.Validity, Explicit: p.Explicit, DoubleOptIn: p.DoubleOptIn,
		Marketing: p.Marketing, SoftOptIn: p.SoftOptIn, Online: p.Online, DPV: p.DPV, Fideslang: p.Fideslang,
		Keeps: p.Keeps, InForce: p.InForce.Time,
	}}
}

// commands is one for each language, in the languages' order.
func (n notice) commands() ([]catalogue.PublishNotice, error) {
	refs := make([]catalogue.PurposeRef, 0, len(n.Purposes))
	for _, s := range n.Purposes {
		id, version, versioned := strings.Cut(s, "@")
		ref := catalogue.PurposeRef{Purpose: domain.Name(id), Version: 1}
		if versioned {
			v, err := strconv.ParseUint(version, 10, 32)
			if err != nil || v == 0 {
				return nil, malformed("a notice names purposes as ID or ID@VERSION")
			}
			ref.Version = uint32(v)
		}
		refs = append(refs, ref)
	}
	if n.Version == 0 {
		n.Version = 1
	}
	if len(n.Texts) == 0 {
		return nil, malformed("a notice needs its text in a language at least: texts: {en: …}")
	}
	var out []catalogue.PublishNotice
	for _, language := range slices.Sorted(maps.Keys(n.Texts)) {
		out = append(out, catalogue.PublishNotice{NoticePublished: catalogue.NoticePublished{
			ID: n.ID, Version: n.Version, Language: language, Purposes: slices.Clone(refs),
			From: n.From.Time, Text: sealed(n.Texts[language]),
		}})
	}
	return out, nil
}

func (d *document) declarations(lines map[string][]int) ([]Declaration, error) {
	b := builder{lines: lines, seen: map[string]bool{}}
	for i, e := range d.Recipients {
		b.add("recipients", i, e.ID, e.command())
	}
	for i, e := range d.Controllers {
		b.add("controllers", i, e.ID, e.command())
	}
	for i, e := range d.Fields {
		b.add("fields", i, e.ID, e.command())
	}
	for i, e := range d.Purposes {
		b.add("purposes", i, e.ID, e.command())
	}
	for i, e := range d.Notices {
		commands, err := e.commands()
		if err != nil {
			b.fail("notices", i, err)
		}
		id := e.ID
		if e.Version > 1 {
			id += domain.Name("@" + strconv.FormatUint(uint64(e.Version), 10))
		}
		for j, c := range commands {
			b.addPart("notices", i, id, c, j > 0)
		}
	}
	return b.out, b.err
}

// builder collects declarations until the first error.
type builder struct {
	lines map[string][]int
	seen  map[string]bool
	out   []Declaration
	err   error
}

func (b *builder) add(section string, i int, id domain.Name, c catalogue.Command) {
	b.addPart(section, i, id, c, false)
}

// addPart adds a command; more means that its entry has another before it.
func (b *builder) addPart(section string, i int, id domain.Name, c catalogue.Command, more bool) {
	key := section + " " + string(id)
	switch {
	case i >= maxItems:
		b.fail(section, i, malformed("%s holds more than %d entries", section, maxItems))
	case id == "":
		b.fail(section, i, malformed("an entry of %s has no id", section))
	case b.seen[key] && !more:
		b.fail(section, i, malformed("this entry of %s stands in the file twice", section))
	}
	b.seen[key] = true
	if b.err == nil {
		b.out = append(b.out, Declaration{Line: b.line(section, i), Section: section, ID: string(id), Command: c})
	}
}

func (b *builder) line(section string, i int) int {
	if i < len(b.lines[section]) {
		return b.lines[section][i]
	}
	return 0
}

func (b *builder) fail(section string, i int, err error) {
	if b.err != nil {
		return
	}
	message := err.Error()
	if e, ok := domain.AsError(err); ok {
		message = e.Message
	}
	b.err = malformed("line %d: %s", b.line(section, i), message)
}
