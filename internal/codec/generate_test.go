package codec

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
)

// legal are legal values of each type that checks its own, the first of which
// goes into the golden file.
var legal = map[reflect.Type][]string{}

func known[T ~string](values ...T) struct{} {
	for _, v := range values {
		t := reflect.TypeFor[T]()
		legal[t] = append(legal[t], string(v))
	}
	return struct{}{}
}

var _ = []struct{}{
	known[domain.Name]("name", "a", "crm.contact_e-mail", "x9"),
	known[domain.Term]("dpv:EmailAddress", "user.contact.email"),
	known[domain.Language]("en", "pt-BR"),
	known[domain.Place]("DE", "US-CA"),
	known[domain.Currency]("EUR", "JPY"),
	known[domain.Duration]("P3Y", "P6M", "P1Y2M3W4D"),

	known(domain.Consent, domain.Contract, domain.RecognisedInterestUK),
	known(subject.Email, subject.SMS, subject.Post),
	known(subject.Web, subject.Paper),
	known(subject.Checkbox, subject.SourceRecord),
	known(subject.Self, subject.Guardian),
	known(operations.CurrentLog, operations.CurrentKeys),
	known(subject.Proven, subject.Asserted),
	known(subject.Provided, subject.ThirdParty),
	known(subject.FromPerson, subject.FromMigration),
	known(subject.ToMarketing, subject.ToProcessing),
	known(subject.AccuracyContested, subject.ObjectionPending),
	known(subject.SameEmail, subject.ByOfficer),
	known(subject.Adult, subject.Child),
	known(subject.Erase, subject.Refuse),
	known(subject.NotNecessary, subject.ChildService),
	known(subject.KeptByHold, subject.ConsentStands),
	known(subject.OnRequest, subject.OnRelease),
	known(subject.Destroyed, subject.PurgePending),
	known(catalogue.Text, catalogue.Money),
	known(catalogue.LookupEmail, catalogue.LookupPhone),
	known(catalogue.ExplicitConsent, catalogue.Research),
	known(catalogue.FromCollection, catalogue.FromFinancialYear),
	known(catalogue.IsProcessor, catalogue.IsAuthority),
	known(catalogue.Adequacy, catalogue.Derogation),
	known(catalogue.Claims, catalogue.GreatInterest),
	known(access.Store, access.Disclose),
	known(access.Read, access.Export, access.Evidence),
	known(access.UnknownSubject, access.BadRecipient),
	known(principal.Admin, principal.Service),
	known(principal.User, principal.Program),
	known(operations.KeyAdded, operations.KeyDistrusted),
	known(operations.RootFile, operations.RootVault),
	known(operations.Everyone, operations.FromImport),
	known(operations.LedgerBackup, operations.KeysBackup),
}

// source chooses for fill: sample takes the first and one of each, a rapid
// generator anything.
type source interface {
	index(n int) int // below n
	number() uint64
	absent() bool // leave an optional fact out
}

type sample struct{}

func (sample) index(int) int  { return 0 }
func (sample) number() uint64 { return 0x0101010101010101 }
func (sample) absent() bool   { return false }

type drawn struct{ t *rapid.T }

func (d drawn) index(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "index") }
func (d drawn) number() uint64  { return rapid.Uint64().Draw(d.t, "number") }
func (d drawn) absent() bool    { return rapid.Bool().Draw(d.t, "absent") }

// fill sets v to legal facts and personal values.
func fillLegal(t require.TestingT, v reflect.Value, s source) {
	if v.Type() == reflect.TypeFor[domain.Token]() {
		var raw [15]byte
		binary.BigEndian.PutUint64(raw[:], s.number())
		token, err := domain.NewToken(strings.NewReader(string(raw[:])))
		require.NoError(t, err)
		v.SetString(string(token))
		return
	}
	if values, ok := legal[v.Type()]; ok {
		v.SetString(values[s.index(len(values))])
		return
	}
	switch v.Type() {
	case reflect.TypeFor[personal.Value]():
		if !s.absent() {
			v.Set(reflect.ValueOf(personal.Of([]string{"käse@example.org", "", "\"\\<\x00>", strings.Repeat("長", 300)}[s.index(4)])))
		}
		return
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMicro(int64(s.number() % (1 << 52))).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			optional := strings.Contains(v.Type().Field(i).Tag.Get("json"), "omitzero")
			if !optional || !s.absent() {
				fillLegal(t, v.Field(i), s)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(s.number() & 0xff)
		}
	case reflect.Slice:
		n := 1 + s.index(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillLegal(t, v.Index(i), s)
		}
	case reflect.Bool:
		v.SetBool(s.number()&1 == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(s.number() >> (65 - v.Type().Bits())))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(s.number() >> (64 - v.Type().Bits()))
	default:
		require.Fail(t, "no legal values are known", "%s", v.Type())
	}
}

func TestLegalValuesAreLegal(t *testing.T) {
	for typ, values := range legal {
		for _, value := range values {
			v := reflect.New(typ)
			v.Elem().SetString(value)
			if typ != reflect.TypeFor[domain.Token]() {
				require.True(t, v.Interface().(domain.Checked).Valid(), "%s %q", typ, value)
			}
		}
	}
}
