package cli

import (
	"context"
	"net/http"

	"lethe/domain"
	"lethe/internal/httpapi"
)

type subjectBasisCmd struct {
	about     `embed:""`
	Basis     string `name:"basis" placeholder:"BASIS" help:"contract, legal_obligation, vital_interests, public_task, legitimate_interests; the purpose's when left out."`
	Until     moment `name:"until" placeholder:"TIME" help:"When it ends, such as a contract's end."`
	Effective moment `name:"effective" placeholder:"TIME" help:"Since when; now when left out."`
	Values    string `name:"values" placeholder:"FILE|-" help:"JSON object with the reference (contract, statute, balancing test), or the reason of the end; kept sealed; - is standard input."`
	End       bool   `name:"end" help:"The basis has ended."`
	writing   `embed:""`
}

// Help is shown by --help.
func (subjectBasisCmd) Help() string {
	return `Where a purpose does not rest on consent, its basis is stated for each person (GDPR 6(1), 5(2)); until then nothing is opened for it.

Examples:

    echo '{"reference": "balancing test 7"}' | lethe subject basis TOKEN customer.service --values -
    echo '{"reference": "contract 2026-114"}' | lethe subject basis TOKEN contract.performance --until 2027-12-31 --values -
    lethe subject basis TOKEN contract.performance --end`
}

func (c *subjectBasisCmd) Run(ctx context.Context, s *shell) error {
	if c.End {
		return c.end(ctx, s)
	}
	b := httpapi.BasisBody{}
	if err := s.personal(c.Values, &b); err != nil {
		return err
	}
	b.Purpose, b.Basis = domain.Name(c.Purpose), domain.Basis(c.Basis)
	if c.Basis == "" {
		basis, err := s.declaredBasis(ctx, c.Purpose)
		if err != nil {
			return err
		}
		b.Basis = basis
	}
	if !c.Until.IsZero() {
		b.Until = c.Until.Time
	}
	if !c.Effective.IsZero() {
		b.Effective = c.Effective.Time
	}
	return wrote(ctx, s, call{method: http.MethodPost, path: []string{"subjects", c.Token, "basis"}, body: &b, header: c.header()})
}

func (c *subjectBasisCmd) end(ctx context.Context, s *shell) error {
	b := httpapi.BasisEndBody{}
	if err := s.personal(c.Values, &b); err != nil {
		return err
	}
	override(&b.Basis, domain.Basis(c.Basis))
	if !c.Effective.IsZero() {
		b.Effective = c.Effective.Time
	}
	return wrote(ctx, s, call{
		method: http.MethodDelete, path: []string{"subjects", c.Token, "basis", c.Purpose}, body: &b, header: c.header(),
	})
}

// declaredBasis is what the purpose in force rests on.
func (s *shell) declaredBasis(ctx context.Context, purpose string) (domain.Basis, error) {
	a, err := s.ask(ctx, call{method: http.MethodGet, path: []string{"catalogue", "purposes", purpose}})
	if err != nil {
		return "", err
	}
	var v httpapi.PurposeVersions
	if err := a.into(&v); err != nil {
		return "", err
	}
	for _, p := range v.Versions {
		if p.Current {
			return p.Basis, nil
		}
	}
	return "", usage("the purpose %s is not in force", purpose)
}
