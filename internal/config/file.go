package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxFile bounds the configuration file.
const maxFile = 256 << 10

// Resolver gives flags their values from the YAML file that --config or
// LETHE_CONFIG names. It is an option of the parser that Config or parts of
// it are embedded in. A setting that the command at hand does not have may
// stand in the file; one that no command has is refused with its line.
func Resolver() kong.Option {
	return kong.WithBeforeResolve(func(ctx *kong.Context) error {
		values, err := load(fileName(ctx))
		if err != nil {
			return err
		}
		ctx.AddResolver(fromFile(values))
		return nil
	})
}

// fromFile resolves flags from what the file says. kong lets a resolver
// overrule the environment; here the environment is the stronger, so a flag
// whose variable is set is left alone.
func fromFile(values map[string]string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, env := range flag.Envs {
			if _, set := os.LookupEnv(env); set {
				return nil, nil
			}
		}
		if value, ok := values[flag.Name]; ok {
			return value, nil
		}
		return nil, nil
	})
}

func fileName(ctx *kong.Context) string {
	for _, flag := range ctx.Flags() {
		if flag.Name == "config" {
			name, _ := ctx.FlagValue(flag).(string)
			return name
		}
	}
	return ""
}

func load(name string) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("opening the configuration: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: a configuration has at most %d bytes", name, maxFile)
	}
	values, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return values, nil
}

// parse reads one mapping of setting to scalar.
func parse(text []byte) (map[string]string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("reading YAML: %w", err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("the file must be one mapping of settings")
	}
	known, err := names()
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(root.Content)/2)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		_, twice := values[key.Value]
		switch {
		case !known[key.Value]:
			return nil, fmt.Errorf("line %d: there is no setting %q", key.Line, key.Value)
		case twice:
			return nil, fmt.Errorf("line %d: %s is set twice", key.Line, key.Value)
		case value.Kind != yaml.ScalarNode || value.Tag == "!!null":
			return nil, fmt.Errorf("line %d: %s must be a single value", value.Line, key.Value)
		}
		values[key.Value] = strings.TrimSpace(value.Value)
	}
	return values, nil
}

// names is every setting that a file may hold: all of Config but the file's
// own name.
func names() (map[string]bool, error) {
	flags, err := settings()
	if err != nil {
		return nil, err
	}
	out := make(map[string]bool, len(flags))
	for _, f := range flags {
		out[f.Name] = f.Name != "config"
	}
	return out, nil
}

// settings lists Config's flags in the order of the struct.
func settings() ([]*kong.Flag, error) {
	k, err := kong.New(&Config{}, kong.NoDefaultHelp())
	if err != nil {
		return nil, fmt.Errorf("reading the settings' declaration: %w", err)
	}
	return k.Model.Flags, nil
}
