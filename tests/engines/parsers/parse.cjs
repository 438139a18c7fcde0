// Parses queries with the languages' own parsers. Standard input: {"language": "kql" or "logql",
// "tables": {name: schema} (kql only), "queries": {id: text}}. Standard output: {id: {"errors": [text],
// "names": [columns or labels that the query asks about]}}.
"use strict";

function kql({ tables, queries }) {
  require("@kusto/language-service-next/bridge.min.js");
  require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");
  const { KustoCode, GlobalState, Symbols, Syntax } = globalThis.Kusto.Language;
  const known = Object.entries(tables).map(([name, schema]) =>
    Symbols.TableSymbol.From(schema).WithName(name),
  );
  const database = new Symbols.DatabaseSymbol.ctor("workspace", known);
  const globals = GlobalState.Default.WithDatabase(database);
  const one = (text) => {
    const code = KustoCode.ParseAndAnalyze(text, globals);
    const found = globalThis.Bridge.toArray(code.GetDiagnostics());
    const names = new Set();
    Syntax.SyntaxElement.WalkNodes(code.Syntax, (node) => {
      const symbol = node.ReferencedSymbol;
      if (symbol instanceof Symbols.ColumnSymbol) names.add(symbol.Name);
    });
    return { errors: found.map((each) => `${each.Code} ${each.Message}`), names: [...names].sort() };
  };
  return Object.fromEntries(Object.entries(queries).map(([id, text]) => [id, one(text)]));
}

function logql({ queries }) {
  const { parser } = require("@grafana/lezer-logql");
  const one = (text) => {
    const errors = [];
    const names = new Set();
    parser.parse(text).iterate({
      enter: (node) => {
        if (node.type.isError) errors.push(`at ${node.from}: ${text.slice(node.from, node.from + 20)}`);
        const within = node.node.parent?.name ?? "";
        const filters = ["Matcher", "NumberFilter", "DurationFilter", "BytesFilter"].includes(within);
        if (node.name === "Identifier" && filters) names.add(text.slice(node.from, node.to));
      },
    });
    return { errors, names: [...names].sort() };
  };
  return Object.fromEntries(Object.entries(queries).map(([id, text]) => [id, one(text)]));
}

let input = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (part) => (input += part));
process.stdin.on("end", () => {
  const asked = JSON.parse(input);
  process.stdout.write(JSON.stringify({ kql, logql }[asked.language](asked)));
});
