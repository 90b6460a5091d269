"""How a report looks: on a phone, on a screen and on paper."""

STYLE = """\
:root { color-scheme: light; --ink: #1c2127; --grey: #535d66; --line: #d9dee2; --soft: #f3f6f8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: #fff; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .7rem; padding-bottom: .2rem; border-bottom: 2px solid var(--line); }
header p, footer, .note { color: var(--grey); }
header p { margin: .3rem 0 0; }
.note { font-size: .92rem; margin: .6rem 0; }
code { font: .88em ui-monospace, "Liberation Mono", Consolas, monospace; overflow-wrap: anywhere; }
dl { margin: 0 0 1rem; }
dd { margin: 0; }
.facts div { display: grid; grid-template-columns: 15rem 1fr; gap: 0 1rem; padding: .28rem 0;
  border-bottom: 1px solid var(--line); }
.facts dt { color: var(--grey); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; }
.cards div { display: flex; flex-direction: column-reverse; justify-content: flex-end; background: var(--soft);
  border-left: 4px solid #0b6e99; padding: .7rem .9rem; }
.cards dt { color: var(--grey); font-size: .9rem; line-height: 1.3; }
.cards dd { font-size: 1.8rem; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: .8rem 0 1.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .2rem 0 .4rem; }
th, td { padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; text-align: left; }
thead th { border-bottom: 2px solid var(--grey); font-weight: 600; }
tbody th { font-weight: 400; min-width: 6.5rem; overflow-wrap: anywhere; }
td:last-child:not(.number) { min-width: 9rem; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
td:last-child, th:last-child { padding-right: 0; }
figure { margin: 1rem 0 1.4rem; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
figure svg { display: block; overflow: hidden; }
svg text { font-size: 14px; fill: var(--ink); }
svg text.tick { font-size: 12px; fill: var(--grey); paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.plot { display: flex; gap: 6px; }
.plot svg { flex: none; }
.plot svg.wide { flex: 1; min-width: 0; overflow: visible; }
.axis { margin: 0; font-size: 12px; color: var(--grey); }
table.heat td, table.heat th { padding: .35rem .5rem; text-align: center; border: 1px solid #fff; }
table.heat tbody th { text-align: left; }
table.heat td, table.heat td:last-child { min-width: 0; white-space: nowrap; }
small { color: var(--grey); }
.orders fieldset { border: 0; padding: 0; margin: 0 0 .3rem; display: flex; flex-wrap: wrap; gap: .2rem 1rem;
  font-size: .88rem; }
.orders legend { float: left; font-weight: 600; padding: 0 .6rem 0 0; }
table.ordered { display: grid; grid-template-columns: repeat(var(--columns), auto); }
table.ordered thead, table.ordered tbody { display: contents; }
table.ordered tr { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid; }
table.ordered thead tr { order: -1; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1rem; list-style: none; padding: 0; margin: 0 0 .4rem;
  font-size: .88rem; }
.legend li { display: flex; align-items: center; gap: .35rem; }
.raised { color: #a33c0a; font-weight: 650; }
.calm { color: var(--grey); }
details { margin: .6rem 0; }
summary { cursor: pointer; }
@media (max-width: 34rem) {
  .facts div { grid-template-columns: 1fr; }
  .cards { grid-template-columns: 1fr 1fr; }
  .cards dd { font-size: 1.45rem; }
  .number small { display: block; }
  table { font-size: .85rem; }
  th, td { padding-right: .45rem; }
}
@media print {
  @page { margin: 16mm; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  h2 { break-after: avoid; }
  figure, table, .cards div, .facts div { break-inside: avoid; }
  .scroll { overflow: visible; }
  .orders fieldset { display: none; }
  table.heat td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .cards div { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
