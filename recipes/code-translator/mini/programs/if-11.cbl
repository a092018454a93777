       ID DIVISION.
       PROGRAM-ID. BUTTONS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           IF N > 11 DISPLAY "HIGH"
           ELSE DISPLAY "LOW" END-IF.
           GOBACK.
