package tlog

import (
	"errors"
	"fmt"
	"strings"
)

// ParsePolicy parses a policy file. Each line ends in a newline; its items are
// separated by spaces and tabs:
//
//	# comment
//	log <vkey> [<url>]
//	witness <name> <vkey> [<url>]
//	group <name> all|any|<k> <name>...
//	quorum <name>|none
//
// There is exactly one quorum line. Groups and the quorum name what stands on
// lines before them. A name is a member at most once, in all groups together.
// Names are opaque bytes. Logs have keys of Ed25519 or CosignMLDSA44, witnesses
// of CosignEd25519 or CosignMLDSA44.
func ParsePolicy(b []byte) (*Policy, error) {
	if len(b) > MaxPolicy {
		return nil, fmt.Errorf("parsing a policy: %d bytes, more than %d", len(b), MaxPolicy)
	}
	p := &policyParser{policy: &Policy{}, defined: map[string]int{}, member: map[string]int{}, logs: map[string]int{}, witnesses: map[string]int{}, ids: map[string]string{}}
	rest := string(b)
	for p.line = 1; rest != ""; p.line++ {
		line, after, ok := cutLine(rest)
		err := checkPolicyLine(line)
		if err == nil && !ok {
			err = errors.New("no newline at the end")
		}
		if err == nil {
			err = p.parse(strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' }))
		}
		if err != nil {
			return nil, fmt.Errorf("parsing a policy: line %d: %w", p.line, err)
		}
		rest = after
	}
	if p.quorum == 0 {
		return nil, errors.New("parsing a policy: no quorum line")
	}
	return p.policy, nil
}

// checkPolicyLine refuses control characters other than tab.
func checkPolicyLine(line string) error {
	for i := range len(line) {
		if c := line[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return fmt.Errorf("control character 0x%02x", c)
		}
	}
	return nil
}

// policyParser remembers on which line each thing was said.
type policyParser struct {
	policy    *Policy
	line      int
	defined   map[string]int    // names of witnesses and groups
	member    map[string]int    // names that are members of a group
	logs      map[string]int    // public keys of logs
	witnesses map[string]int    // public keys of witnesses
	ids       map[string]string // key name and ID → vkey
	quorum    int
}

func (p *policyParser) parse(items []string) error {
	if len(items) == 0 || strings.HasPrefix(items[0], "#") {
		return nil
	}
	switch word, args := items[0], items[1:]; word {
	case "log":
		return p.parseLog(args)
	case "witness":
		return p.parseWitness(args)
	case "group":
		return p.parseGroup(args)
	case "quorum":
		return p.parseQuorum(args)
	default:
		return fmt.Errorf("%s is none of log, witness, group, quorum", quoted(word))
	}
}

func (p *policyParser) parseLog(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("not of the form: log <vkey> [<url>]")
	}
	v, err := p.key(args[0], p.logs)
	if err != nil {
		return err
	}
	if !v.alg.LogSigns() {
		return fmt.Errorf("%s is no key of a log", v.alg)
	}
	p.policy.Logs = append(p.policy.Logs, PolicyLog{Origin: v.name, VKey: args[0], URL: optional(args, 1), verifier: v})
	return nil
}

func (p *policyParser) parseWitness(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("not of the form: witness <name> <vkey> [<url>]")
	}
	v, err := p.key(args[1], p.witnesses)
	if err != nil {
		return err
	}
	if !v.alg.Cosigns() {
		return fmt.Errorf("%s is no key of a witness: a cosignature key is needed", v.alg)
	}
	if err := p.define(args[0]); err != nil {
		return err
	}
	p.policy.Witnesses = append(p.policy.Witnesses, PolicyWitness{Name: args[0], VKey: args[1], URL: optional(args, 2), verifier: v})
	return nil
}

// key parses a vkey whose public key does not stand in seen yet.
func (p *policyParser) key(vkey string, seen map[string]int) (*verifier, error) {
	v, err := newVerifier(vkey)
	if err != nil {
		return nil, err
	}
	if at, dup := seen[string(v.public)]; dup {
		return nil, fmt.Errorf("the public key stands on line %d already", at)
	}
	seen[string(v.public)] = p.line
	id := fmt.Sprintf("%s+%08x", v.name, v.hash)
	if other, ok := p.ids[id]; ok && other != vkey {
		return nil, fmt.Errorf("two keys share the name and ID %s", id)
	}
	p.ids[id] = vkey
	return v, nil
}

func (p *policyParser) define(name string) error {
	if name == NoQuorum {
		return fmt.Errorf("the name %s is reserved", NoQuorum)
	}
	if at, dup := p.defined[name]; dup {
		return fmt.Errorf("the name %s is defined on line %d already", quoted(name), at)
	}
	p.defined[name] = p.line
	return nil
}

func (p *policyParser) parseGroup(args []string) error {
	if len(args) < 3 {
		return errors.New("not of the form: group <name> all|any|<k>, and members")
	}
	g := PolicyGroup{Name: args[0], Members: args[2:]}
	var err error
	if g.Threshold, err = threshold(args[1], len(g.Members)); err != nil {
		return err
	}
	for _, m := range g.Members {
		if err := p.known(m); err != nil {
			return err
		}
		if at, dup := p.member[m]; dup {
			return fmt.Errorf("%s is a member of the group on line %d already", quoted(m), at)
		}
		p.member[m] = p.line
	}
	if err := p.define(g.Name); err != nil {
		return err
	}
	p.policy.Groups = append(p.policy.Groups, g)
	return nil
}

func threshold(word string, members int) (int, error) {
	switch word {
	case "all":
		return members, nil
	case "any":
		return 1, nil
	}
	k, err := ParseSize(word)
	if err != nil || k < 1 || k > int64(members) {
		return 0, fmt.Errorf("%s is none of all, any, and 1 to %d", quoted(word), members)
	}
	return int(k), nil
}

func (p *policyParser) parseQuorum(args []string) error {
	if len(args) != 1 {
		return errors.New("not of the form: quorum <name>")
	}
	if p.quorum > 0 {
		return fmt.Errorf("a quorum stands on line %d already", p.quorum)
	}
	if args[0] != NoQuorum {
		if err := p.known(args[0]); err != nil {
			return err
		}
	}
	p.quorum, p.policy.QuorumName = p.line, args[0]
	return nil
}

func (p *policyParser) known(name string) error {
	if name == NoQuorum {
		return fmt.Errorf("%s is no member", NoQuorum)
	}
	if _, ok := p.defined[name]; !ok {
		return fmt.Errorf("no line before defines %s", quoted(name))
	}
	return nil
}

func optional(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}
